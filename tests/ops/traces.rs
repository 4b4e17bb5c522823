//! Traces: what a collector receives by OTLP over HTTP, and what callers and CRMs see of them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use contacts_gateway::simulators::{Fault, FaultKind, Running, aptly};
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Any, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::relay::Relay;
use crate::testbed::{Account, PATIENCE, Testbed, has};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const COLLECTOR_SECRET: &str = "collector-canary-1f0c";

/// A request to the collector.
type Posted = (HeaderMap, Vec<u8>);

/// A collector on loopback. It stops with the test's runtime.
#[derive(Clone)]
struct Collector {
    url: String,
    received: Arc<Mutex<Vec<Posted>>>,
    status: StatusCode,
}

impl Collector {
    async fn start(status: StatusCode) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        let collector = Self { url, received: Arc::default(), status };
        let router = Router::new()
            .route("/base/v1/traces", axum::routing::post(receive))
            .with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    fn exports(&self) -> Vec<ExportTraceServiceRequest> {
        let received = self.received.lock().unwrap();
        received.iter().map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.exports().into_iter().flat_map(|export| export.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The spans of the request `id` and of its calls, once the request's has come.
    async fn request(&self, id: &str) -> (Span, Vec<Span>) {
        let began = Instant::now();
        loop {
            let spans = self.spans();
            let is_it = |span: &&Span| text(&span.attributes, "gateway.request_id").as_deref() == Some(id);
            if let Some(request) = spans.iter().find(is_it) {
                let of_it = |span: &&Span| span.parent_span_id == request.span_id;
                return (request.clone(), spans.iter().filter(of_it).cloned().collect());
            }
            assert!(began.elapsed() < PATIENCE, "no span of {id} in {spans:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn receive(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    collector.received.lock().unwrap().push((headers, body.to_vec()));
    collector.status
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a AnyValue> {
    let Any { value, .. } = attributes.iter().find(|one| one.key == name)?.value.as_ref()?;
    value.as_ref()
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    match value(attributes, name)? {
        AnyValue::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn number(attributes: &[KeyValue], name: &str) -> Option<i64> {
    match value(attributes, name)? {
        AnyValue::IntValue(number) => Some(*number),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == SpanStatus::Error as i32)
}

/// A gateway whose traces are collected, and an account at a CRM whose calls are seen.
struct Traced {
    collector: Collector,
    bed: Testbed,
    crm: Running,
    relay: Relay,
    account: Account,
    /// A contact of the CRM.
    contact: String,
}

impl Traced {
    async fn open() -> Self {
        let collector = Collector::start(StatusCode::OK).await;
        let headers = format!("authorization=Bearer {COLLECTOR_SECRET}, x-scope=all");
        let settings =
            [("GATEWAY_OTLP_ENDPOINT", collector.url.as_str()), ("GATEWAY_OTLP_HEADERS", &headers)];
        let bed = Testbed::with(&settings).await;
        let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::default()).await.unwrap();
        let relay = Relay::before(&crm.base_url()).await;
        let account = bed.account("one", &relay.base_url(), crm.token()).await;
        let contact = crm.contacts()[0]["_id"].as_str().unwrap().to_owned();
        Self { collector, bed, crm, relay, account, contact }
    }
}

async fn get(bed: &Testbed, account: &Account, contact: &str, id: &str, parent: Option<&str>) -> u16 {
    let path = format!("/crm/contacts/{contact}?credentialId={}", account.credential);
    let mut headers = vec![("x-request-id", id), ("x-request-timeout-ms", "8000")];
    headers.extend(parent.map(|parent| ("traceparent", parent)));
    bed.gateway.call_with("GET", &path, &account.key, None, &headers).await.status
}

fn terminate(bed: &Testbed) {
    let pid = Pid::from_raw(i32::try_from(bed.gateway.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

#[tokio::test]
async fn a_request_and_its_calls_are_spans_of_the_callers_trace() {
    let Traced { collector, bed, crm, relay, account, contact } = Traced::open().await;
    let unavailable = FaultKind::Status {
        code: 503,
        body: "{}".to_owned(),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
    };
    crm.fault(Fault::once(unavailable));
    let from = relay.seen().len();
    let parent = format!("00-{TRACE}-{CALLER}-01");
    assert_eq!(get(&bed, &account, &contact, "id-1", Some(&parent)).await, 200);
    let (request, calls) = collector.request("id-1").await;
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.into(), CALLER.into()));
    assert_eq!((request.name.as_str(), request.kind), ("GET /crm/contacts/{id}", SpanKind::Server as i32));
    assert!(!is_error(&request) && request.end_time_unix_nano > request.start_time_unix_nano);
    let of = &request.attributes;
    assert_eq!(number(of, "http.response.status_code"), Some(200));
    assert_eq!(number(of, "gateway.attempts"), Some(calls_of(&calls)));
    for (name, expected) in [
        ("http.request.method", "GET"),
        ("http.route", "/crm/contacts/{id}"),
        ("gateway.tenant", &account.tenant),
        ("gateway.key", &account.key_id),
        ("gateway.credential", &account.credential),
        ("gateway.provider", "aptly"),
    ] {
        assert_eq!(text(of, name).as_deref(), Some(expected), "{name}");
    }
    are_calls_with_one_retry(&request, &calls, &relay.base_url());
    // The CRM sees the span of the call that reaches it, in each attempt.
    let seen: Vec<String> =
        relay.seen()[from..].iter().map(|call| call.traceparent.clone().unwrap()).collect();
    let sent = |call: &Span| {
        let attempts = usize::try_from(number(&call.attributes, "gateway.attempts").unwrap()).unwrap();
        vec![format!("00-{TRACE}-{}-01", hex(&call.span_id)); attempts]
    };
    let mut ordered = calls.clone();
    ordered.sort_by_key(|call| call.start_time_unix_nano);
    assert_eq!(seen, ordered.iter().flat_map(sent).collect::<Vec<_>>());
    let resource = collector.exports()[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("contacts-gateway"));
    assert_eq!(text(&resource.attributes, "service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let (headers, _) = collector.received.lock().unwrap()[0].clone();
    assert_eq!(headers["authorization"], format!("Bearer {COLLECTOR_SECRET}"));
    assert_eq!(
        (&headers["content-type"], &headers["x-scope"]),
        (&"application/x-protobuf".parse().unwrap(), &"all".parse().unwrap())
    );
}

/// Checks the spans of the calls of `request` to `crm`: one call failed once.
fn are_calls_with_one_retry(request: &Span, calls: &[Span], crm: &str) {
    // Its span has both attempts and the wait between them.
    let retried: Vec<&Span> = calls.iter().filter(|call| call.events.len() > 1).collect();
    let [retried] = retried[..] else { panic!("{calls:#?}") };
    let names: Vec<&str> = retried.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["attempt", "retry", "attempt"]);
    let retry = &retried.events[1].attributes;
    assert_eq!(number(retry, "http.response.status_code"), Some(503));
    assert!(number(retry, "wait_ms").unwrap() > 0);
    assert_eq!(number(&retried.attributes, "gateway.attempts"), Some(2));
    for call in calls {
        let of = &call.attributes;
        assert_eq!((hex(&call.trace_id), call.kind), (TRACE.into(), SpanKind::Client as i32));
        assert!(call.start_time_unix_nano >= request.start_time_unix_nano);
        assert!(call.end_time_unix_nano <= request.end_time_unix_nano);
        assert_eq!(number(of, "http.response.status_code"), Some(200));
        assert_eq!(text(of, "server.address").as_deref(), Some("127.0.0.1"));
        let port = number(of, "server.port").unwrap();
        assert_eq!(format!("http://127.0.0.1:{port}"), crm);
        assert_eq!(call.name, format!("GET {}", text(of, "url.template").unwrap()));
    }
}

fn calls_of(calls: &[Span]) -> i64 {
    calls.iter().map(|call| number(&call.attributes, "gateway.attempts").unwrap()).sum()
}

#[tokio::test]
async fn a_trace_begins_here_without_a_parent_and_is_left_out_if_the_caller_leaves_it_out() {
    let Traced { collector, bed, crm, relay, account, contact } = Traced::open().await;
    assert_eq!(get(&bed, &account, &contact, "id-own", None).await, 200);
    let (request, calls) = collector.request("id-own").await;
    assert!(request.parent_span_id.is_empty() && !calls.is_empty(), "{request:?}");
    bed.line(&json!({ "request_id": "id-own", "trace_id": hex(&request.trace_id) })).await;
    // A caller's trace that is not sampled is passed on, and no span of it is sent.
    let from = relay.seen().len();
    assert_eq!(
        get(&bed, &account, &contact, "id-quiet", Some(&format!("00-{TRACE}-{CALLER}-00"))).await,
        200
    );
    let seen = relay.seen()[from..].iter().map(|call| call.traceparent.clone().unwrap()).collect::<Vec<_>>();
    assert!(
        !seen.is_empty()
            && seen.iter().all(|seen| seen.starts_with(&format!("00-{TRACE}-")) && seen.ends_with("-00")),
        "{seen:?}"
    );
    bed.line(&json!({ "request_id": "id-quiet", "trace_id": TRACE })).await;
    // A failure names its code; a failed call is an error; a caller who leaves too.
    crm.fault(Fault::always(FaultKind::LateAnswer { ms: 3_000 }));
    let left =
        tokio::time::timeout(Duration::from_millis(300), get(&bed, &account, &contact, "id-left", None));
    assert!(left.await.is_err());
    let (request, calls) = collector.request("id-left").await;
    assert!(is_error(&request) && number(&request.attributes, "http.response.status_code") == Some(499));
    assert!(is_error(&calls[0]), "{calls:?}");
    assert_eq!(text(&calls[0].attributes, "error.type").as_deref(), Some("caller left"));
    bed.gateway
        .call_with(
            "GET",
            "/crm/contacts?credentialId=crd_none",
            &account.key,
            None,
            &[("x-request-id", "id-none")],
        )
        .await;
    let (request, _) = collector.request("id-none").await;
    assert!(!is_error(&request), "the caller's fault");
    assert_eq!(text(&request.attributes, "error.type").as_deref(), Some("credential_not_found"));
    assert!(collector.spans().iter().all(|span| hex(&span.trace_id) != TRACE));
}

#[tokio::test]
async fn spans_hold_no_value_and_the_last_ones_are_sent_at_the_end() {
    let Traced { collector, mut bed, crm, account, .. } = Traced::open().await;
    let body = json!({ "firstName": "Wexworth", "lastName": "Tandlebrook",
        "emailAddresses": [{ "emailAddress": "quorvex@example.com" }],
        "phoneNumbers": [{ "phoneNumber": "+14155550173" }] });
    let path = format!("/crm/contacts?credentialId={}&debug=Zephyrquill", account.credential);
    let headers = [("idempotency-key", "secret-of-mine")];
    bed.gateway.call_with("POST", &path, &account.key, Some(body.to_string()), &headers).await;
    let path = format!("/crm/contacts?credentialId={}", account.credential);
    let headers = [("x-request-id", "id-create"), ("idempotency-key", "secret-of-mine")];
    let made = bed.gateway.call_with("POST", &path, &account.key, Some(body.to_string()), &headers).await;
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.json()["contact"]["id"].as_str().unwrap().to_owned();
    get(&bed, &account, &id, "id-get", None).await;
    terminate(&bed);
    let began = Instant::now();
    while bed.gateway.runs() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, calls) = collector.request("id-create").await;
    assert!(calls.len() > 1, "{calls:?}");
    collector.request("id-get").await;
    let received = collector.received.lock().unwrap();
    let bytes: Vec<u8> = received.iter().flat_map(|(_, body)| body.clone()).collect();
    let log = bed.gateway.logged();
    for value in [
        "Wexworth",
        "Tandlebrook",
        "quorvex",
        "4155550173",
        "Zephyrquill",
        "secret-of-mine",
        &id,
        crm.token(),
        &account.key[24..],
        COLLECTOR_SECRET,
    ] {
        let is_in = |text: &[u8]| text.windows(value.len()).any(|part| part == value.as_bytes());
        assert!(!is_in(&bytes), "{value} is in a span");
        assert!(!is_in(log.as_bytes()), "{value} is in the log");
    }
}

#[tokio::test]
async fn without_a_collector_requests_are_served_and_the_log_says_so_once() {
    let refusing = Collector::start(StatusCode::FORBIDDEN).await;
    let closed = {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", port.local_addr().unwrap())
    };
    for (url, cause) in [(refusing.url.as_str(), "403 Forbidden"), (closed.as_str(), "connection refused")] {
        let bed = Testbed::with(&[("GATEWAY_OTLP_ENDPOINT", url), ("OTEL_BSP_SCHEDULE_DELAY", "200")]).await;
        for _ in 0..3 {
            assert_eq!(bed.gateway.call("GET", "/docs/errors", "", None).await.status, 200);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        let warning = json!({ "level": "WARN", "cause": cause });
        bed.line(&warning).await;
        assert_eq!(bed.lines().iter().filter(|line| has(line, &warning)).count(), 1);
    }
    // Without the setting nothing is sent, and CRMs see no trace.
    let bed = Testbed::open().await;
    let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::default()).await.unwrap();
    let relay = Relay::before(&crm.base_url()).await;
    let account = bed.account("one", &relay.base_url(), crm.token()).await;
    get(&bed, &account, "abc", "id-1", Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    assert!(!relay.seen().is_empty() && relay.seen().iter().all(|call| call.traceparent.is_none()));
}

/// The URL of a collector that accepts connections and never responds.
async fn hanging() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    url
}

#[tokio::test]
async fn a_queue_of_zero_is_no_queue_size_and_spans_are_sent() {
    let collector = Collector::start(StatusCode::OK).await;
    let settings = [
        ("GATEWAY_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ];
    let bed = Testbed::with(&settings).await;
    let headers = [("x-request-id", "id-queue")];
    assert_eq!(bed.gateway.call_with("GET", "/docs/errors", "", None, &headers).await.status, 200);
    collector.request("id-queue").await;
}

#[tokio::test]
async fn lost_spans_are_counted() {
    let refusing = Collector::start(StatusCode::FORBIDDEN).await;
    let hanging = hanging().await;
    for (url, reason) in [(refusing.url.as_str(), "not sent"), (hanging.as_str(), "queue full")] {
        let settings = [
            ("GATEWAY_OTLP_ENDPOINT", url),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ];
        let bed = Testbed::with(&settings).await;
        for _ in 0..30 {
            assert_eq!(bed.gateway.call("GET", "/docs/errors", "", None).await.status, 200);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let series = format!("gateway_spans_lost_total{{reason=\"{reason}\"}}");
        bed.series(&series, |lost| lost >= 10.0).await;
    }
}

#[tokio::test]
async fn a_collector_that_hangs_delays_the_end_by_about_two_seconds_at_most() {
    // Also while an export is under way, which is tried for five seconds.
    for wait in [0, 5_500] {
        let mut bed = Testbed::with(&[("GATEWAY_OTLP_ENDPOINT", hanging().await.as_str())]).await;
        assert_eq!(bed.gateway.call("GET", "/docs/errors", "", None).await.status, 200);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        terminate(&bed);
        let began = Instant::now();
        while bed.gateway.runs() {
            assert!(began.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The gateway's own waits are 2 seconds at most; the rest is for a busy machine.
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}
