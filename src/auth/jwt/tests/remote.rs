//! Key sets at an address: storms of unknown keys, an issuer that is away, keys that change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::house::{KEYS, TestIssuer, issuer};
use super::token::token;
use crate::auth::jwt::RefreshPolicy;
use crate::config::{JwtAlgorithm, JwtIssuer, JwtKeys};
use crate::domain::FailureKind;

/// An issuer's server: answers what it is told, and counts.
struct KeyServer {
    port: u16,
    asked: AtomicUsize,
    answer: Mutex<(u16, Vec<u8>, Duration)>,
}

impl KeyServer {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Mutex::new((200, KEYS.as_bytes().to_vec(), Duration::ZERO));
        let server = Arc::new(Self { port, asked: AtomicUsize::new(0), answer });
        let told = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                told.asked.fetch_add(1, Ordering::SeqCst);
                let (status, body, wait) = told.answer().clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let read = stream.read(&mut request).await.unwrap();
                    let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
                    assert!(!request.contains("authorization") && !request.contains("cookie"), "{request}");
                    tokio::time::sleep(wait).await;
                    let head = format!(
                        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nlocation: /elsewhere\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(&body).await;
                });
            }
        });
        server
    }

    fn answer(&self) -> MutexGuard<'_, (u16, Vec<u8>, Duration)> {
        self.answer.lock()
    }

    fn answers(&self, status: u16, body: impl Into<Vec<u8>>, wait: Duration) {
        *self.answer() = (status, body.into(), wait);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn issuers(&self) -> Vec<JwtIssuer> {
        let url = JwtKeys::Url(format!("http://127.0.0.1:{}/jwks.json", self.port));
        vec![issuer("https://login.example.com", &[JwtAlgorithm::Rs256, JwtAlgorithm::Es256], url)]
    }
}

/// As configured, but for the time between two fetches.
fn pace(at_least: u64, renewed_after: u64) -> RefreshPolicy {
    let millis = Duration::from_millis;
    RefreshPolicy { at_least: millis(at_least), renewed_after: millis(renewed_after), within: millis(1_000) }
}

fn good() -> String {
    token(&json!({}))
}

async fn kind(house: &TestIssuer, token: &str) -> Option<FailureKind> {
    house.ask(token).await.err().map(|failure| failure.kind)
}

#[tokio::test]
async fn ten_thousand_unknown_key_ids_cost_two_fetches_and_good_tokens_pass_meanwhile() {
    let server = KeyServer::start().await;
    let house = TestIssuer::new(&server.issuers()).await;
    let signature = good().rsplit_once('.').unwrap().1.to_owned();
    let claims = good().split('.').nth(1).unwrap().to_owned();
    let storm = (0..10_000).map(|number| {
        use base64::Engine;
        let header = format!(r#"{{"alg":"RS256","kid":"{number}"}}"#);
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
        format!("{header}.{claims}.{signature}")
    });
    let storm: Vec<String> = storm.collect();
    let (house, good) = (&house, good());
    for part in storm.chunks(1_000) {
        let forged = part.iter().map(|token| async move { kind(house, token).await });
        let answers = futures_util::future::join_all(forged).await;
        let refused = [Some(FailureKind::Unauthenticated), Some(FailureKind::Overloaded)];
        assert!(answers.iter().all(|kind| refused.contains(kind)));
        assert_eq!(kind(house, &good).await, None);
    }
    assert!(server.asked() <= 2, "{} fetches", server.asked());
}

#[tokio::test]
async fn eight_wait_for_keys_that_a_token_misses_and_good_tokens_wait_for_nothing() {
    let server = KeyServer::start().await;
    let house = TestIssuer::paced(&server.issuers(), pace(0, 60_000)).await;
    let (house, good) = (&house, good());
    assert_eq!(kind(house, &good).await, None);
    server.answers(200, KEYS, Duration::from_mins(1));
    let unknown = token(&json!({"header": {"kid": "unknown"}}));
    let over = std::cell::Cell::new(false);
    let storm = async {
        let answers = futures_util::future::join_all((0..600).map(|_| kind(house, &unknown))).await;
        let with = |kind| answers.iter().filter(|answer| **answer == Some(kind)).count();
        assert_eq!((with(FailureKind::Unauthenticated), with(FailureKind::Overloaded)), (8, 592));
        over.set(true);
    };
    let honest = async {
        for _ in 0..100 {
            assert_eq!(kind(house, &good).await, None);
            tokio::task::yield_now().await;
        }
        assert!(!over.get(), "good tokens waited for the fetch");
    };
    tokio::join!(storm, honest);
}

#[tokio::test]
async fn keys_are_kept_while_the_issuer_is_down_empty_large_slow_or_talks_nonsense() {
    let server = KeyServer::start().await;
    let house = TestIssuer::paced(&server.issuers(), pace(0, 0)).await;
    assert_eq!(kind(&house, &good()).await, None);
    let unknown = token(&json!({"header": {"kid": "unknown"}}));
    let many = format!(r#"{{"keys":[{}]}}"#, vec![r#"{"kty":"RSA"}"#; 101].join(","));
    for (status, body) in [
        (500, KEYS.as_bytes().to_vec()),
        (302, KEYS.as_bytes().to_vec()),
        (204, Vec::new()),
        (200, Vec::new()),
        (200, br#"{"keys":[]}"#.to_vec()),
        (200, br#"{"keys":{}}"#.to_vec()),
        (200, b"<html>".to_vec()),
        (200, vec![0xff; 100]),
        (200, vec![b' '; 10 * 1024 * 1024]),
        (200, many.into_bytes()),
        (200, KEYS.replace("RSA", "rsa").replace("P-256", "P-384").into_bytes()),
    ] {
        let before = server.asked();
        server.answers(status, body, Duration::ZERO);
        assert_eq!(kind(&house, &unknown).await, Some(FailureKind::Unauthenticated));
        assert!(server.asked() > before, "it was asked again");
        assert_eq!(kind(&house, &good()).await, None, "{status}");
    }
    server.answers(200, KEYS, Duration::from_mins(1));
    let started = crate::clock::monotonic();
    for _ in 0..100 {
        assert_eq!(kind(&house, &good()).await, None);
    }
    assert!(started.elapsed() < Duration::from_secs(4), "good tokens wait for no renewal");
}

#[tokio::test]
async fn a_new_key_is_taken_after_the_pace_and_a_withdrawn_one_ends_with_the_renewal() {
    let server = KeyServer::start().await;
    let house = TestIssuer::paced(&server.issuers(), pace(300, 60_000)).await;
    assert_eq!(kind(&house, &good()).await, None);
    let renamed = token(&json!({"header": {"kid": "next"}}));
    server.answers(200, KEYS.replace(r#""kid": "rsa""#, r#""kid": "next""#), Duration::ZERO);
    assert_eq!(kind(&house, &renamed).await, Some(FailureKind::Unauthenticated), "too soon");
    assert_eq!(server.asked(), 1);
    tokio::time::sleep(Duration::from_millis(320)).await;
    assert_eq!(kind(&house, &renamed).await, None);
    assert_eq!(kind(&house, &good()).await, Some(FailureKind::Unauthenticated), "remembered by the old keys");
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn keys_in_use_are_renewed_behind_the_callers_backs() {
    let server = KeyServer::start().await;
    let house = TestIssuer::paced(&server.issuers(), pace(50, 100)).await;
    assert_eq!(kind(&house, &good()).await, None);
    server.answers(200, KEYS.replace(r#""kid": "rsa""#, r#""kid": "next""#), Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(kind(&house, &good()).await, None, "the old keys hold until the new ones are here");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(kind(&house, &good()).await, Some(FailureKind::Unauthenticated));
}

#[tokio::test]
async fn without_keys_from_the_start_nobody_can_tell_and_soon_asking_again_costs_nothing() {
    let server = KeyServer::start().await;
    server.answers(500, "", Duration::from_millis(100));
    let house = TestIssuer::paced(&server.issuers(), pace(400, 60_000)).await;
    let (house, token) = (&house, good());
    let asked = (0..50).map(|_| house.ask(&token));
    let answers = futures_util::future::join_all(asked).await;
    let mut failures: Vec<_> = answers.into_iter().map(Result::unwrap_err).collect();
    failures.retain(|failure| failure.kind != FailureKind::Overloaded);
    assert_eq!(failures.len(), 8, "so many may wait");
    failures.push(house.ask(&token).await.unwrap_err());
    for failure in failures {
        assert_eq!(failure.kind, FailureKind::IssuerUnavailable);
        assert!(failure.retry_after.unwrap() <= Duration::from_millis(400));
    }
    assert_eq!(server.asked(), 1);
    server.answers(200, KEYS, Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(kind(house, &token).await, None);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_end_the_fetch() {
    let server = KeyServer::start().await;
    server.answers(200, KEYS, Duration::from_millis(200));
    let house = TestIssuer::new(&server.issuers()).await;
    let gone = tokio::time::timeout(Duration::from_millis(50), house.ask(&good())).await;
    assert!(gone.is_err());
    assert_eq!(kind(&house, &good()).await, None);
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_key_without_a_name_may_change_too() {
    let server = KeyServer::start().await;
    let mut keys: Value = serde_json::from_str(KEYS).unwrap();
    let unnamed = |key: &Value| {
        let mut key = key.clone();
        for member in ["kid", "use", "alg", "key_ops"] {
            key.as_object_mut().unwrap().remove(member);
        }
        json!({"keys": [key]}).to_string()
    };
    let (first, second) = (unnamed(&keys["keys"][3]), unnamed(&keys["keys"][0].take()));
    server.answers(200, first, Duration::ZERO);
    let house = TestIssuer::paced(&server.issuers(), pace(0, 60_000)).await;
    let token = token(&json!({"header": {"kid": null}}));
    assert_eq!(kind(&house, &token).await, Some(FailureKind::Unauthenticated));
    server.answers(200, second, Duration::ZERO);
    assert_eq!(kind(&house, &token).await, None);
}
