//! The faults, seen from the client's side of the socket.

use std::io::Write;
use std::time::{Duration, Instant};

use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator, Me};
use contacts_gateway::simulators::{Disruption, Fault, FaultKind, Running, pipeline};
use flate2::write::GzDecoder;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::reply::{Reply, call, get, post, try_call};

async fn aptly() -> Running {
    AptlySimulator::start(AptlyOptions { me: Me::Account, ..AptlyOptions::empty() }).await.unwrap()
}

/// Creates a contact while one fault waits.
async fn create_under(at: &Running, kind: FaultKind) -> reqwest::Result<Reply> {
    at.fault(Fault::once(kind));
    try_call(at, "POST", "/api/contacts", Some(json!({ "Last Name": "Nobody" }))).await
}

/// Everything the simulator puts on the wire, and how the connection ended.
async fn raw(at: &Running, kind: FaultKind) -> (Vec<u8>, std::io::Result<()>) {
    at.fault(Fault::once(kind));
    let mut socket = tokio::net::TcpStream::connect(at.address()).await.unwrap();
    let head = format!("GET /api/app/me HTTP/1.1\r\nhost: x\r\nx-token: {}\r\n\r\n", at.token());
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    let end = socket.read_to_end(&mut all).await.map(|_| ());
    (all, end)
}

fn is_reset(end: &std::io::Result<()>) -> bool {
    end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let aptly = aptly().await;
    for (kind, something_came) in
        [(FaultKind::ResetBeforeReading, false), (FaultKind::ResetAfterApplying, false)]
    {
        let (bytes, end) = raw(&aptly, kind.clone()).await;
        assert!(is_reset(&end), "{kind:?} ended {end:?}");
        assert_eq!(!bytes.is_empty(), something_came, "{kind:?}");
    }
    // A reset may overtake bytes already sent, so only the end is certain here.
    for kind in [FaultKind::ResetAfterHead, FaultKind::ResetMidBody] {
        assert!(is_reset(&raw(&aptly, kind).await.1));
    }
    let (bytes, end) = raw(&aptly, FaultKind::TruncatedBody).await;
    assert!(end.is_ok() && bytes.starts_with(b"HTTP/1.1 200 OK\r\ncontent-length: "));
}

#[tokio::test]
async fn each_fault_applies_or_not_as_documented() {
    let applied = [
        FaultKind::ResetAfterApplying,
        FaultKind::ResetMidBody,
        FaultKind::ResetAfterHead,
        FaultKind::TruncatedBody,
        FaultKind::CutJson,
        FaultKind::CutChunk,
        FaultKind::WrongContentLength { by: 5 },
        FaultKind::WrongContentLength { by: -5 },
        FaultKind::EmptyAnswer,
        FaultKind::NoContent,
        FaultKind::AppliedThen { status: 500 },
        FaultKind::HtmlBody { status: 200 },
        FaultKind::ContentType { value: None },
        FaultKind::Body { text: "[1e400]".to_owned() },
        FaultKind::Bytes { base64: "/wA=".to_owned() },
        FaultKind::ManyHeaders { count: 50 },
        FaultKind::HugeHeader { bytes: 1000 },
        FaultKind::InformationalFlood { count: 5 },
        FaultKind::LateAnswer { ms: 1 },
        FaultKind::Latency { ms: 1 },
        FaultKind::Oversized { bytes: 100_000, declared: true },
        FaultKind::Oversized { bytes: 100_000, declared: false },
        FaultKind::GzipBomb { bytes: 100_000 },
        FaultKind::Drip { ms: 0 },
    ];
    let not_applied = [
        FaultKind::ResetBeforeReading,
        FaultKind::Status {
            code: 503,
            body: "{}".to_owned(),
            content_type: "application/json".to_owned(),
            headers: vec![],
        },
        FaultKind::TooManyRequests { retry_after: None },
        FaultKind::Redirect { status: 302, location: "http://127.0.0.1:1/".to_owned() },
        FaultKind::SuccessFalse { message: "no".to_owned() },
    ];
    let expectations =
        applied.into_iter().map(|kind| (kind, 1)).chain(not_applied.into_iter().map(|kind| (kind, 0)));
    for (kind, writes) in expectations {
        let aptly = aptly().await;
        let _ = create_under(&aptly, kind.clone()).await;
        assert_eq!((aptly.contacts().len(), aptly.writes().len()), (writes, writes), "{kind:?}");
        assert_eq!(aptly.calls().len(), 1, "{kind:?}");
        assert!(aptly.calls()[0].fault.is_some());
        assert_eq!(get(&aptly, "/api/app/me").await.status, 200, "after {kind:?}");
    }
}

#[tokio::test]
async fn answers_are_spoiled_as_told() {
    let aptly = aptly().await;
    let limited = create_under(&aptly, FaultKind::TooManyRequests { retry_after: Some("3600".to_owned()) })
        .await
        .unwrap();
    assert_eq!((limited.status, limited.headers["retry-after"].to_str().unwrap()), (429, "3600"));
    assert_eq!(limited.json(), json!({ "reason": "Rate limit exceeded. Try again shortly." }));
    let moved = create_under(&aptly, FaultKind::Redirect { status: 302, location: "/elsewhere".to_owned() })
        .await
        .unwrap();
    assert_eq!((moved.status, &moved.headers["location"]), (302, &"/elsewhere".parse().unwrap()));
    let html = create_under(&aptly, FaultKind::HtmlBody { status: 502 }).await.unwrap();
    assert!(html.status == 502 && html.text.starts_with("<!DOCTYPE html>"));
    let text = create_under(&aptly, FaultKind::Body { text: r#"{"a":1,"a":2}"#.to_owned() }).await.unwrap();
    assert_eq!((text.status, text.text.as_str()), (200, r#"{"a":1,"a":2}"#));
    let untyped = create_under(&aptly, FaultKind::ContentType { value: None }).await.unwrap();
    assert!(!untyped.headers.contains_key("content-type") && untyped.json()["Last Name"] == "Nobody");
    assert!(create_under(&aptly, FaultKind::CutJson).await.unwrap().text.starts_with('{'));
    for kind in [FaultKind::TruncatedBody, FaultKind::CutChunk, FaultKind::WrongContentLength { by: 5 }] {
        assert!(create_under(&aptly, kind).await.is_err());
    }
    let flood = create_under(&aptly, FaultKind::InformationalFlood { count: 3 }).await.unwrap();
    assert_eq!(flood.status, 200);
    let big = create_under(&aptly, FaultKind::Oversized { bytes: 50_000, declared: true }).await.unwrap();
    assert_eq!((big.text.len(), &big.headers["content-length"]), (50_000, &"50000".parse().unwrap()));
    let big = create_under(&aptly, FaultKind::Oversized { bytes: 0x8000, declared: false }).await.unwrap();
    assert_eq!((big.text.len(), big.headers.contains_key("content-length")), (0x8000, false));
}

/// Counts what is written, which is nothing but spaces.
#[derive(Default)]
struct Spaces(usize);

impl Write for Spaces {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        assert!(part.iter().all(|byte| *byte == b' '));
        self.0 += part.len();
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_gzip_bomb_unpacks_a_thousandfold() {
    let aptly = aptly().await;
    aptly.fault(Fault::once(FaultKind::GzipBomb { bytes: 50_000_000 }));
    let url = format!("{}/api/app/me", aptly.base_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut response = client.get(url).header("x-token", aptly.token()).send().await.unwrap();
    let mut decoder = GzDecoder::new(Spaces::default());
    while let Ok(Some(part)) = response.chunk().await {
        decoder.write_all(&part).unwrap();
    }
    let unpacked = decoder.get_ref().0;
    assert!(unpacked >= 45_000_000, "{unpacked}");
}

#[tokio::test]
async fn silence_latency_and_drip_take_their_time() {
    let aptly = aptly().await;
    let wait = Duration::from_millis(300);
    for (kind, stored) in
        [(FaultKind::NeverAnswer, 0), (FaultKind::AppliedNeverAnswers, 1), (FaultKind::Stall, 2)]
    {
        assert!(tokio::time::timeout(wait, create_under(&aptly, kind)).await.is_err());
        assert_eq!(aptly.contacts().len(), stored);
    }
    let began = Instant::now();
    create_under(&aptly, FaultKind::Drip { ms: 1 }).await.unwrap();
    assert!(began.elapsed() > Duration::from_millis(100));
    // The client leaves, the write happens all the same.
    let left = tokio::time::timeout(wait, create_under(&aptly, FaultKind::Latency { ms: 1500 })).await;
    assert!(left.is_err() && aptly.contacts().len() == 3);
    let began = Instant::now();
    while aptly.contacts().len() < 4 {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(wait / 10).await;
    }
    let began = Instant::now();
    aptly.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn faults_choose_their_calls() {
    let aptly = AptlySimulator::start(AptlyOptions {
        me: Me::Account,
        tokens: vec!["a".to_owned(), "b".to_owned()],
        ..AptlyOptions::empty()
    })
    .await
    .unwrap();
    let kind = || FaultKind::TooManyRequests { retry_after: None };
    aptly.fault(Fault::next(2, kind()).on("GET", "/api/contacts/*").bearing("a").after(1));
    let mut statuses = Vec::new();
    for path in [
        "/api/app/me",
        "/api/contacts/x",
        "/api/contacts/x",
        "/api/contacts?page=0",
        "/api/contacts/y",
        "/api/contacts/z",
    ] {
        statuses.push(get(&aptly, path).await.status);
    }
    assert_eq!(statuses, [200, 404, 429, 200, 429, 404]);
    assert!(aptly.faults().all().is_empty());
}

#[tokio::test]
async fn faults_and_journal_can_be_had_over_http() {
    let aptly = aptly().await;
    let faults = json!([
        { "kind": "status", "code": 503, "times": 1, "method": "POST", "path": "/api/contacts" },
        { "kind": "field", "field": "Last Name", "drop": true, "times": 1 },
    ]);
    assert_eq!(post(&aptly, "/_simulator/faults", faults).await.status, 204);
    for (fault, error) in [
        (json!({ "kind": "earthquake" }), "there is no fault `earthquake`"),
        (json!({ "kind": "stall", "tmes": 1 }), "the fault `stall` has no field `tmes`"),
        (json!([{ "kind": "stall" }, {}]), "a fault needs a kind"),
        (json!({ "kind": "latency" }), "the fault `latency` needs `ms`"),
    ] {
        let refused = post(&aptly, "/_simulator/faults", fault).await;
        assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some(error)));
    }
    assert_eq!(post(&aptly, "/api/contacts", json!({ "Last Name": "A" })).await.status, 503);
    assert_eq!(post(&aptly, "/api/contacts", json!({ "Last Name": "A" })).await.json()["Last Name"], "");
    let journal = get(&aptly, "/_simulator/journal").await.json();
    assert_eq!((&journal[0]["fault"], &journal[0]["status"]), (&json!("status"), &json!(503)));
    assert_eq!(journal[1]["body"], r#"{"Last Name":"A"}"#);
    assert_eq!((&journal[1]["token"], journal.as_array().unwrap().len()), (&json!("oken"), 2));
    assert!(!get(&aptly, "/_simulator/journal").await.text.contains(aptly.token()));
    assert_eq!(get(&aptly, "/_simulator/contacts").await.json().as_array().unwrap().len(), 1);
}

/// Every writable field in turn, lost or altered, under a cheerful answer that may even lie.
#[tokio::test]
async fn any_field_can_go_wrong() {
    let phone = json!([{ "value": "+14155550123", "isPrimary": true }]);
    let body = json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com", "phoneNumber": phone,
        "status": "Contacted", "process": "p" });
    for field in ["firstName", "lastName", "email", "phoneNumber", "status", "process"] {
        for mut disturbance in [Disruption::dropping(field), Disruption::altering(field)] {
            disturbance.lies = true;
            let options = pipeline::PipelineOptions {
                create_answer: pipeline::CreateAnswer::WithContact,
                ..pipeline::PipelineOptions::empty()
            };
            let crm = pipeline::PipelineSimulator::start(options).await.unwrap();
            crm.fault(Fault::once(FaultKind::Field(disturbance.clone())));
            let reply = post(&crm, "/api/contact", body.clone()).await;
            let stored = &crm.contacts()[0];
            assert_eq!(
                (reply.status, &reply.json()["contact"][field]),
                (200, &body[field]),
                "{disturbance:?}"
            );
            assert_ne!(stored[field], body[field], "{disturbance:?}");
        }
    }
}

#[tokio::test]
async fn a_lost_update_leaves_what_was_there() {
    let held = json!({ "_id": "a", "contactType": "Tenant", "customFields": { "5D8LYiyMt54aKD7x9": "old" }, "email": ["a@example.com"] });
    let aptly =
        AptlySimulator::start(AptlyOptions { contacts: vec![held], ..AptlyOptions::empty() }).await.unwrap();
    let body = json!({ "Email": "b@example.com", "customFields": { "5D8LYiyMt54aKD7x9": "new" } });
    aptly.fault(Fault::once(FaultKind::Field(Disruption::dropping("Email"))));
    aptly.fault(Fault::once(FaultKind::AppliedTwice).on_writes());
    aptly.fault(Fault::once(FaultKind::Field(Disruption::dropping("customFields/5D8LYiyMt54aKD7x9"))));
    // Reads pass by a fault that is about writing.
    get(&aptly, "/api/contacts/a").await;
    call(&aptly, "POST", "/api/contacts/a", Some(body.clone())).await;
    let stored = aptly.contact("a").unwrap();
    assert_eq!(
        (&stored["email"], &stored["customFields"]["5D8LYiyMt54aKD7x9"]),
        (&json!(["a@example.com"]), &json!("new"))
    );
    call(&aptly, "POST", "/api/contacts/a", Some(body.clone())).await;
    assert_eq!(aptly.contact("a").unwrap()["email"], json!(["b@example.com"]));
    let newer = json!({ "customFields": { "5D8LYiyMt54aKD7x9": "newer" } });
    call(&aptly, "POST", "/api/contacts/a", Some(newer)).await;
    assert_eq!(aptly.contact("a").unwrap()["customFields"]["5D8LYiyMt54aKD7x9"], "new");
    assert!(aptly.faults().all().is_empty());
}

#[tokio::test]
async fn a_stopped_simulator_is_gone_and_can_come_back_at_the_same_address() {
    let first = aptly().await;
    let (listen, url) = (first.address(), format!("{}/api/app/me", first.base_url()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = || client.get(&url).header("x-token", "demo-aptly-token").send();
    assert_eq!(ask().await.unwrap().status(), 200);
    first.shutdown().await;
    assert!(ask().await.is_err());
    let _again = AptlySimulator::start(AptlyOptions { listen, me: Me::Account, ..AptlyOptions::empty() })
        .await
        .unwrap();
    assert_eq!(ask().await.unwrap().status(), 200);
}
