//! A token issuer whose key server hangs delays only the requests with its tokens.

use std::sync::Arc;
use std::time::Duration;

use contacts_gateway::auth::Issuers;
use contacts_gateway::config::{JwtAlgorithm, JwtIssuer, JwtKeys};
use contacts_gateway::domain::Scope;
use contacts_gateway::upstream::AllowList;
use futures_util::future::join_all;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use tokio::net::TcpListener;

use crate::test_gateway::Setup;
use crate::testbed::Testbed;

const SECRET: &str = "a secret of an issuer, longer than 32 characters";
/// Concurrent forged tokens: more than the process's limit on requests in flight.
const STORM: usize = 600;
/// How many requests may wait for the keys.
const WAITING: usize = 8;

fn issuer(name: &str, algorithm: JwtAlgorithm, keys: JwtKeys) -> JwtIssuer {
    JwtIssuer {
        issuer: name.to_owned(),
        audience: "gateway".to_owned(),
        algorithms: vec![algorithm],
        keys,
        tenant_claim: "tenant".to_owned(),
        scope_claim: "scope".to_owned(),
        max_lifetime: Duration::from_hours(1),
        origin: contacts_gateway::config::SettingOrigin::Default,
    }
}

/// A key server that accepts connections and never responds.
async fn hanging() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    url
}

fn token(issuer: &str, tenant: &str) -> String {
    let iat = contacts_gateway::store::now().as_second();
    let claims = json!({ "iss": issuer, "aud": "gateway", "iat": iat, "exp": iat + 600, "tenant": tenant,
        "scope": "credentials:read" });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A token of that issuer with an invalid signature.
fn made_up(number: usize) -> String {
    use base64::Engine;
    let text = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let header = text(format!(r#"{{"alg":"RS256","kid":"{number}"}}"#));
    let claims = text(json!({ "iss": "https://hangs.example.com" }).to_string());
    format!("Bearer {header}.{claims}.{}", text("no signature".to_owned()))
}

#[tokio::test]
async fn made_up_tokens_of_an_issuer_that_hangs_take_eight_places_and_no_more() {
    let configured = [
        issuer("https://hangs.example.com", JwtAlgorithm::Rs256, JwtKeys::Url(hanging().await)),
        issuer("https://works.example.com", JwtAlgorithm::Hs256, JwtKeys::Secret(SECRET.into())),
    ];
    let issuers = Issuers::new(&configured, &AllowList::parse("127.0.0.1").unwrap()).ok().unwrap();
    let testbed = Arc::new(Testbed::with(Setup { issuers, ..Setup::default() }).await);
    let tenant = testbed.tenant("mine").await;
    let key = testbed.key(&tenant, &Scope::ALL, None).await;
    let storm = {
        let testbed = Arc::clone(&testbed);
        tokio::spawn(async move {
            let tokens: Vec<String> = (0..STORM).map(made_up).collect();
            join_all(tokens.iter().map(|token| testbed.send("GET", "/credentials", token, None))).await
        })
    };
    // By then each request of the attack waits for the keys or has been refused.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let good = format!("Bearer {}", token("https://works.example.com", "mine"));
    for _ in 0..50 {
        for who in [&key, &good] {
            let answer = testbed.send("GET", "/credentials", who, None).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    assert!(!storm.is_finished(), "the attack was over before anybody else called");
    let answers = storm.await.unwrap();
    let with = |code: &str| answers.iter().filter(|answer| answer.code() == code).count();
    assert_eq!((with("issuer_unavailable"), with("overloaded")), (WAITING, STORM - WAITING));
    for answer in answers {
        assert_eq!(answer.status, 503);
        assert!(answer.headers.contains_key("retry-after"), "{}", answer.text);
    }
}
