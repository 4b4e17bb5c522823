//! Wrong admin tokens are limited for each client, wherever they are sent, and the right one of others is not.

use contacts_gateway::store::now;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use crate::gateway_process::{ADMIN_TOKEN, client, send};
use crate::reply::Reply;
use crate::testbed::{Testbed, has};

const WRONG: &str = "wrong-k7wq2zx9vbn4mtlp";
const BURST: usize = 10;

const ISSUER_SECRET: &str = "a secret of tests, longer than 32 characters";

struct Proxied(Testbed);

impl Proxied {
    async fn open() -> Self {
        Self::with(&[]).await
    }

    async fn with(more: &[(&str, &str)]) -> Self {
        Self(Testbed::with(&[&[("GATEWAY_TRUSTED_PROXIES", "127.0.0.1")], more].concat()).await)
    }

    async fn ask(&self, from: &str, path: &str, who: &str) -> Reply {
        self.0.gateway.call_with("GET", path, who, None, &[("x-forwarded-for", from)]).await
    }

    async fn sign_in(&self, from: &str, token: &str) -> Reply {
        let form =
            client().post(format!("{}/ops/sign-in", self.0.gateway.url())).body(format!("token={token}"));
        let form =
            form.header("content-type", "application/x-www-form-urlencoded").header("accept", "text/html");
        send(form.header("sec-fetch-site", "same-origin").header("x-forwarded-for", from)).await.unwrap()
    }
}

fn waits(reply: &Reply) -> bool {
    let seconds: u64 = reply.header("retry-after").parse().unwrap_or_default();
    reply.status == 429 && (1..=10).contains(&seconds)
}

#[tokio::test]
async fn a_client_that_guesses_the_admin_token_waits_and_no_other() {
    let bed = Proxied::open().await;
    let (guesser, operator) = ("203.0.113.7", "203.0.113.8");
    for _ in 0..BURST {
        bed.ask(guesser, "/admin/tenants", WRONG).await.is(401, "unauthenticated");
    }
    let refused = bed.ask(guesser, "/admin/tenants", WRONG).await;
    refused.is(429, "rate_limited");
    assert!(waits(&refused), "{refused:?}");
    // Otherwise guessing would go on, also at the other plane, whose response to the right token differs.
    for path in ["/admin/tenants", "/providers", "/admin/audit"] {
        for token in [ADMIN_TOKEN, WRONG] {
            assert!(waits(&bed.ask(guesser, path, token).await), "{path}");
        }
    }
    let page = bed.sign_in(guesser, ADMIN_TOKEN).await;
    assert!(waits(&page) && page.text.contains("Too many invalid tokens"), "{page:?}");
    // A key of a tenant at the same address is no guess.
    let (_, key) = bed.0.gateway.tenant("t").await;
    assert_eq!(bed.ask(guesser, "/providers", &key).await.status, 200);
    bed.ask(guesser, "/admin/tenants", &key).await.is(403, "insufficient_scope");
    // Nor does another client wait.
    assert_eq!(bed.ask(operator, "/admin/tenants", ADMIN_TOKEN).await.status, 200);
    assert_eq!(bed.sign_in(operator, ADMIN_TOKEN).await.status, 303);
    let line = json!({ "level": "WARN", "message": "too many wrong admin tokens from this client; further ones get 429", "client": guesser });
    bed.0.line(&line).await;
    assert_eq!(bed.0.lines().iter().filter(|seen| has(seen, &line)).count(), 1);
    bed.0.line(&json!({ "status": 429, "reason": "too many wrong admin tokens", "client": guesser })).await;
    let series = "gateway_authentication_refusals_total{reason=\"too many wrong admin tokens\"}";
    bed.0.series(series, |count| (count - 8.0).abs() < 0.1).await;
}

#[tokio::test]
async fn guesses_count_wherever_they_are_sent() {
    let bed = Proxied::open().await;
    for (from, path) in [("203.0.113.1", "/providers"), ("203.0.113.2", "/ops/sign-in")] {
        let guess = async || match path {
            "/providers" => bed.ask(from, path, WRONG).await,
            _ => bed.sign_in(from, WRONG).await,
        };
        for _ in 0..BURST {
            let status = guess().await.status;
            assert_eq!(status, if path == "/providers" { 401 } else { 403 });
        }
        assert!(waits(&guess().await), "{path}");
        assert!(waits(&bed.ask(from, "/admin/tenants", ADMIN_TOKEN).await), "{path}");
    }
}

#[tokio::test]
async fn the_clients_of_one_ipv6_network_share_the_limit() {
    let bed = Proxied::open().await;
    for number in 0..BURST {
        let from = format!("2001:db8:1:2::{}", number % 2 + 1);
        bed.ask(&from, "/admin/tenants", WRONG).await.is(401, "unauthenticated");
    }
    for from in ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:3:4:5:6"] {
        assert!(waits(&bed.ask(from, "/admin/tenants", ADMIN_TOKEN).await), "{from}");
    }
    assert_eq!(bed.ask("2001:db8:1:3::1", "/admin/tenants", ADMIN_TOKEN).await.status, 200);
}

/// A JWT for the tenant `t` that ends in so many seconds.
fn jwt(seconds: i64) -> String {
    let at = now().as_second();
    let claims = json!({ "iss": "https://login.example.com", "aud": "contacts-gateway", "iat": at - 600,
        "exp": at + seconds, "tenant": "t", "scope": "contacts:read" });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(ISSUER_SECRET.as_bytes())).unwrap()
}

#[tokio::test]
async fn jwts_and_keys_pass_from_an_address_that_sent_too_many_wrong_admin_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let [file, secret] =
        ["gateway.toml", "secret"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&secret, ISSUER_SECRET).unwrap();
    let issuer = format!(
        "[[auth.jwt]]\nissuer = \"https://login.example.com\"\naudience = \"contacts-gateway\"\n\
         algorithms = [\"HS256\"]\nsecret_file = \"{secret}\"\ntenant_claim = \"tenant\"\nscope_claim = \"scope\"\n"
    );
    std::fs::write(&file, issuer).unwrap();
    let bed = Proxied::with(&[("GATEWAY_CONFIG", &file)]).await;
    let (_, key) = bed.0.gateway.tenant("t").await;
    // Behind one address: expired JWTs of some, valid ones of others.
    let from = "203.0.113.9";
    for path in ["/providers", "/admin/tenants"] {
        for _ in 0..=BURST {
            bed.ask(from, path, &jwt(-300)).await.is(401, "unauthenticated");
        }
    }
    assert_eq!(bed.ask(from, "/admin/tenants", ADMIN_TOKEN).await.status, 200, "JWTs do not count");
    for _ in 0..BURST {
        bed.ask(from, "/providers", WRONG).await.is(401, "unauthenticated");
    }
    assert!(waits(&bed.ask(from, "/providers", WRONG).await));
    for who in [&jwt(300), &key] {
        assert_eq!(bed.ask(from, "/providers", who).await.status, 200);
        bed.ask(from, "/admin/tenants", who).await.is(403, "insufficient_scope");
    }
}
