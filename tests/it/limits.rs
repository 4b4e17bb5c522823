//! What is let in: so many requests at a time of the process and of a tenant, so many a second of a key, none in a stop.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use contacts_gateway::config::Limits;
use http::Request;
use http_body_util::StreamBody;
use serde_json::json;

use crate::reply::Reply;
use crate::test_gateway::{Setup, TestGateway, signed};

const ASK: &str = "/credentials";
const OPEN: [&str; 4] = ["/livez", "/readyz", "/openapi.json", "/docs/errors"];

fn limits() -> Limits {
    Limits { key_rate: None, tenant_in_flight: None, in_flight: None, ..Limits::default() }
}

/// Runs `check` while one request of the tenant is under way: its body never comes.
async fn while_one_is_under_way(edge: &TestGateway, code: &str, check: impl Future<Output = ()>) {
    let held = async {
        // Again where a look below was just inside.
        loop {
            let never = futures_util::stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>();
            let body = Body::new(StreamBody::new(never));
            assert_eq!(edge.tell("POST", "/crm/contacts?credentialId=c", body).await.code(), code);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let inside = async {
        let began = Instant::now();
        while edge.ask("GET", ASK).await.code() != code {
            assert!(began.elapsed() < Duration::from_secs(8), "it is not counted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        check.await;
    };
    tokio::select! {
        () = held => {}
        () = inside => {}
    }
}

/// A key of another tenant.
async fn stranger(edge: &TestGateway) -> String {
    let made = edge.tell("POST", "/admin/tenants", r#"{"name":"stranger"}"#).await.json();
    let keys = format!("/admin/tenants/{}/keys", made["tenant"]["id"].as_str().unwrap());
    let body = json!({ "name": "k", "scopes": ["credentials:read"] }).to_string();
    edge.tell("POST", &keys, body).await.json()["secret"].as_str().unwrap().to_owned()
}

async fn with_limits(limits: Limits) -> TestGateway {
    TestGateway::with(Setup { limits, ..Setup::default() }).await
}

async fn ask_as(edge: &TestGateway, key: &str) -> Reply {
    let request = Request::get(ASK).header("authorization", format!("Bearer {key}"));
    edge.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn too_much_for_the_process_is_refused_before_anybody_is_asked_for_a_key() {
    let edge = with_limits(Limits { in_flight: Some(1), ..limits() }).await;
    while_one_is_under_way(&edge, "overloaded", async {
        for request in [
            Request::get(ASK),
            Request::post("/crm/contacts?nonsense").header("authorization", "Bearer nobody"),
            Request::get("/crm/contacts/fields"),
            signed("GET", "/admin/tenants"),
        ] {
            let answer = edge.send(request.body(Body::from("no JSON")).unwrap()).await;
            answer.is(503, "overloaded");
            assert_eq!((answer.header("retry-after"), answer.header("x-request-id").len()), ("1", 36));
        }
        for path in OPEN {
            assert_eq!(edge.ask("GET", path).await.status, 200, "{path}");
        }
    })
    .await;
    assert_eq!(edge.ask("GET", ASK).await.status, 200, "the place is free again once its caller has left");
}

#[tokio::test]
async fn too_much_of_one_tenant_is_refused_to_that_tenant_alone() {
    let edge = with_limits(Limits { tenant_in_flight: Some(1), ..limits() }).await;
    let stranger = stranger(&edge).await;
    while_one_is_under_way(&edge, "too_many_concurrent_requests", async {
        let answer = edge.ask("GET", ASK).await;
        answer.is(429, "too_many_concurrent_requests");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(ask_as(&edge, &stranger).await.status, 200);
        assert_eq!(edge.ask("GET", "/admin/tenants").await.status, 200);
        ask_as(&edge, "nobody").await.is(401, "unauthenticated");
    })
    .await;
    assert_eq!(edge.ask("GET", ASK).await.status, 200);
}

#[tokio::test]
async fn a_key_has_a_burst_and_then_its_rate_and_others_have_their_own() {
    let edge = with_limits(Limits { key_rate: Some(1), key_burst: 3, ..limits() }).await;
    let stranger = stranger(&edge).await;
    let (began, mut passed) = (Instant::now(), 0);
    for _ in 0..60 {
        let answer = edge.ask("GET", ASK).await;
        if answer.status == 200 {
            passed += 1;
        } else {
            answer.is(429, "rate_limited");
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    let earned = 3 + began.elapsed().as_secs();
    assert!((3..=earned).contains(&passed), "{passed} of {earned}");
    assert_eq!(ask_as(&edge, &stranger).await.status, 200);
    for _ in 0..20 {
        ask_as(&edge, "nobody").await.is(401, "unauthenticated");
        assert_eq!(edge.ask("GET", "/admin/tenants").await.status, 200);
        assert_eq!(edge.ask("GET", "/livez").await.status, 200);
    }
}

#[tokio::test]
async fn what_is_refused_for_another_reason_counts_too() {
    let edge = with_limits(Limits { key_rate: Some(1), key_burst: 2, ..limits() }).await;
    for _ in 0..2 {
        edge.ask("GET", "/crm/contacts?nonsense").await.is(400, "invalid_parameter");
    }
    edge.ask("GET", ASK).await.is(429, "rate_limited");
}

#[tokio::test]
async fn in_a_stop_nothing_new_is_let_in_and_health_is_told() {
    let edge = with_limits(limits()).await;
    edge.admission.close();
    for (method, path) in
        [("GET", ASK), ("POST", "/crm/contacts"), ("GET", "/admin/tenants"), ("GET", "/crm/contacts/search")]
    {
        let answer =
            edge.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
        answer.is(503, "draining");
        assert_eq!(answer.header("retry-after"), "1", "{path}");
    }
    edge.ask("GET", "/readyz").await.is(503, "draining");
    for path in ["/livez", "/openapi.json"] {
        assert_eq!(edge.ask("GET", path).await.status, 200, "{path}");
    }
}
