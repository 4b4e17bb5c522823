//! Browser apps of other origins: preflights, requests, and what they never reach.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use contacts_gateway::api::EdgeSettings;
use contacts_gateway::config::{CorsOrigins, Limits};
use http::Request;

use crate::reply::Reply;
use crate::test_gateway::{Setup, TestGateway, signed};

const APP: &str = "https://app.example.com";

async fn shared() -> Arc<TestGateway> {
    with(Setup::default()).await
}

async fn with(setup: Setup) -> Arc<TestGateway> {
    let cors_origins = CorsOrigins::parse("https://other.example.com, https://app.example.com").unwrap();
    let edge = EdgeSettings { cors_origins, ..EdgeSettings::default() };
    Arc::new(TestGateway::with(Setup { edge, ..setup }).await)
}

async fn preflight(gateway: &TestGateway, path: &str, origin: &str) -> Reply {
    let request = Request::options(path)
        .header("origin", origin)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,content-type,if-match,idempotency-key");
    gateway.send(request.body(Body::empty()).unwrap()).await
}

async fn call(gateway: &TestGateway, method: &str, path: &str, origin: &str) -> Reply {
    let request = signed(method, path).header("origin", origin).body(Body::empty());
    gateway.send(request.unwrap()).await
}

fn is_shared(reply: &Reply) -> bool {
    let allowed = reply.header("access-control-allow-origin");
    assert!(allowed.is_empty() || allowed == APP, "{allowed}");
    assert!(reply.header("access-control-allow-credentials").is_empty());
    !allowed.is_empty()
}

#[tokio::test]
async fn a_preflight_needs_no_key_and_is_kept() {
    let gateway = shared().await;
    for path in ["/crm/contacts/x?credentialId=c", "/one/crm/contacts", "/credentials", "/providers"] {
        let reply = preflight(&gateway, path, APP).await;
        assert!(reply.is_success() && is_shared(&reply), "{path}: {reply:?}");
        for (name, parts) in [
            ("access-control-allow-methods", &["GET", "POST", "PUT", "PATCH", "DELETE"][..]),
            (
                "access-control-allow-headers",
                &[
                    "authorization",
                    "content-type",
                    "idempotency-key",
                    "if-match",
                    "priority",
                    "traceparent",
                    "x-request-id",
                    "x-request-timeout-ms",
                ],
            ),
            ("access-control-max-age", &["7200"]),
        ] {
            assert!(
                parts.iter().all(|part| reply.header(name).contains(part)),
                "{name}: {}",
                reply.header(name)
            );
        }
        assert!(!reply.header("x-request-id").is_empty());
    }
    for origin in ["https://app.example.com.evil.com", "http://app.example.com", "null", ""] {
        assert!(!is_shared(&preflight(&gateway, "/crm/contacts", origin).await), "{origin}");
    }
}

#[tokio::test]
async fn responses_and_failures_can_be_read_by_the_page() {
    let gateway = shared().await;
    let reply = call(&gateway, "GET", "/providers", APP).await;
    assert!(reply.status == 200 && is_shared(&reply));
    let exposed = reply.header("access-control-expose-headers").to_owned();
    for name in ["etag", "location", "link", "retry-after", "x-request-id", "idempotency-replayed"] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
    assert!(reply.header("vary").contains("origin"));
    let large = signed("POST", "/crm/contacts?credentialId=c")
        .header("origin", APP)
        .header("content-type", "application/json")
        .body(Body::from(vec![b' '; 2 << 20]));
    let nobody = Request::get("/crm/contacts?credentialId=c").header("origin", APP).body(Body::empty());
    for (status, reply) in [
        (401, gateway.send(nobody.unwrap()).await),
        (404, call(&gateway, "GET", "/crm/nothing", APP).await),
        (405, call(&gateway, "DELETE", "/crm/contacts", APP).await),
        (413, gateway.send(large.unwrap()).await),
    ] {
        assert!(reply.status == status && is_shared(&reply), "{status}: {reply:?}");
    }
    gateway.admission.close();
    let reply = call(&gateway, "GET", "/crm/contacts?credentialId=c", APP).await;
    assert!(reply.status == 503 && is_shared(&reply));
    let full = with(Setup {
        limits: Limits { key_rate: Some(1), key_burst: 1, ..Limits::default() },
        ..Setup::default()
    });
    let full = full.await;
    for status in [200, 429] {
        let reply = call(&full, "GET", "/credentials", APP).await;
        assert!(reply.status == status && is_shared(&reply), "{status}: {reply:?}");
    }
}

#[tokio::test]
async fn the_operators_paths_are_never_shared_and_nothing_is_by_default() {
    let gateway = shared().await;
    gateway.broken.store(true, Ordering::SeqCst);
    for path in ["/admin/tenants", "/metrics", "/ops", "/readyz", "/docs/", "/crm-other", "/"] {
        let (flight, reply) = (preflight(&gateway, path, APP).await, call(&gateway, "GET", path, APP).await);
        for reply in [flight, reply] {
            let names = reply.headers.keys().filter(|name| name.as_str().starts_with("access-control"));
            assert_eq!(names.count(), 0, "{path}: {reply:?}");
        }
    }
    let closed = TestGateway::open().await;
    let (flight, reply) =
        (preflight(&closed, "/providers", APP).await, call(&closed, "GET", "/providers", APP).await);
    assert!((flight.status, reply.status) == (405, 200) && !is_shared(&flight) && !is_shared(&reply));
}
