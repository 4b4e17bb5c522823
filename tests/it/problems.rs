//! The examples of problems in the document and on the error pages: what the gateway sends, recorded.
//!
//! `UPDATE_PROBLEMS=1 cargo test --test it problems` records them anew.

mod causes;

use std::collections::BTreeMap;

use axum::body::Body;
use contacts_gateway::config::Limits;
use contacts_gateway::domain::FailureKind;
use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator};
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use serde_json::{Map, Value, json};

use crate::front::Front;
use crate::reply::Reply;
use crate::test_gateway::{Link, Setup, TestGateway, signed};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/openapi/problems.json");
const REQUEST_ID: &str = "0193d3a1-7f00-7000-8000-000000000001";
/// Headers that belong to a problem.
const HEADERS: [&str; 4] = ["www-authenticate", "allow", "etag", "retry-after"];
/// No CRM of today's needs it. A unit test of `token_of_page` compares the text.
const NOT_CAUSED: &str = "page_number_unsupported";

/// A gateway with an account of each CRM.
struct ProblemRecorder {
    gateway: TestGateway,
    aptly: Running,
    pipeline: Running,
    /// The credentials, by provider.
    credentials: [(String, &'static str); 2],
}

impl ProblemRecorder {
    async fn with(setup: Setup) -> Self {
        let gateway = TestGateway::with(setup).await;
        let aptly = AptlySimulator::start(AptlyOptions::default()).await.unwrap();
        let pipeline = PipelineSimulator::start(PipelineOptions::default()).await.unwrap();
        let mut credentials = Vec::new();
        for (provider, name, crm) in
            [("aptly", "demo-aptly", &aptly), ("pipeline", "demo-pipeline", &pipeline)]
        {
            let link = Link {
                base_url: crm.base_url(),
                secret: crm.token(),
                settings: json!({ "defaultRegion": "US" }),
                verify: false,
            };
            let id = gateway.link(&gateway.caller, provider, link).await.unwrap();
            credentials.push((id.to_string(), name));
        }
        Self { gateway, aptly, pipeline, credentials: credentials.try_into().unwrap() }
    }

    async fn open() -> Self {
        Self::with(Setup::default()).await
    }

    async fn limited(limits: Limits) -> Self {
        Self::with(Setup { limits, ..Setup::default() }).await
    }

    /// A request whose URI has the names of the demo's credentials.
    async fn ask(&self, request: http::request::Builder, body: impl Into<Body>) -> Reply {
        let mut request = request.header("x-request-id", REQUEST_ID).body(body.into()).unwrap();
        *request.uri_mut() = self.to_real(&request.uri().to_string()).parse().unwrap();
        self.gateway.send(request).await
    }

    fn to_real(&self, text: &str) -> String {
        self.credentials.iter().fold(text.to_owned(), |text, (id, name)| text.replace(name, id))
    }

    async fn read(&self, uri: &str) -> Reply {
        self.ask(signed("GET", uri), Body::empty()).await
    }

    async fn write(&self, method: &str, uri: &str, body: Value) -> Reply {
        self.ask(json_request(method, uri), self.to_real(&body.to_string())).await
    }

    async fn keyed(&self, key: &str, uri: &str, body: &Value) -> Reply {
        self.ask(json_request("POST", uri).header("idempotency-key", key), body.to_string()).await
    }

    /// Reads a list while Aptly fails.
    async fn list_with_fault(&self, kind: FaultKind) -> Reply {
        self.aptly.fault(Fault::always(kind));
        let request = signed("GET", APTLY).header("x-request-timeout-ms", "1000");
        let reply = self.ask(request, Body::empty()).await;
        self.aptly.faults().clear();
        reply
    }

    /// The reply without what differs from run to run.
    fn recorded(&self, reply: &Reply) -> Value {
        let tenant = self.gateway.caller.tenant.to_string();
        let text =
            self.credentials.iter().fold(reply.text.replace(&tenant, "ten_demo"), |text, (id, name)| {
                text.replace(id.as_str(), name)
            });
        let mut body: Value = serde_json::from_str(&text).unwrap();
        redact_volatile(&mut body, &mut Vec::new());
        let headers = HEADERS.iter().filter(|name| reply.headers.contains_key(**name));
        let headers: Map<String, Value> =
            headers.map(|name| ((*name).to_owned(), header(reply, name).into())).collect();
        json!({ "headers": headers, "body": body })
    }
}

/// A header. Tags depend on the id of the credential.
fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    if name == "etag" { "\"BbW-mJlCBiwg6iC5eyJvDEETF_PJBLdcNuGs_2bsnhg\"" } else { reply.header(name) }
}

fn json_request(method: &str, uri: &str) -> http::request::Builder {
    signed(method, uri).header("content-type", "application/json")
}

/// Replaces ids, cursors and addresses, which differ from run to run.
fn redact_volatile(value: &mut Value, ids: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(cursor) = fields.get_mut("nextCursor") {
                *cursor = "AXpR7kQm0vB3…".into();
            }
            fields.values_mut().for_each(|value| redact_volatile(value, ids));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|value| redact_volatile(value, ids)),
        Value::String(text) if text.starts_with("con_") => {
            let at = ids.iter().position(|known| known == text).unwrap_or_else(|| {
                ids.push(text.clone());
                ids.len() - 1
            });
            *text = format!("con_AfQ2mX1kTzU2OGYwYzJhOTFiN2R{at}");
        }
        _ => {}
    }
}

const APTLY: &str = "/crm/contacts?credentialId=demo-aptly";

/// The record of a reply that must be the problem `code`.
#[track_caller]
fn record(recorder: &ProblemRecorder, code: &str, reply: &Reply) -> (String, Value) {
    assert_eq!(reply.code(), code, "{}", reply.text);
    (code.to_owned(), recorder.recorded(reply))
}

#[tokio::test]
async fn the_examples_of_problems_are_what_the_gateway_sends() {
    const UPDATE: &str = "UPDATE_PROBLEMS=1 cargo test --test it problems";
    let text = std::fs::read_to_string(FILE).unwrap();
    let committed: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let mut made = causes::all().await;
    made.insert(NOT_CAUSED.to_owned(), committed[NOT_CAUSED].clone());
    for kind in FailureKind::ALL {
        let name = match kind {
            FailureKind::LedgerQuotaExceeded => "quota_exceeded.ledger",
            kind => kind.code(),
        };
        assert!(made.contains_key(name), "nothing causes {name}");
    }
    if std::env::var_os("UPDATE_PROBLEMS").is_some() {
        std::fs::write(FILE, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
        return;
    }
    let names = |all: &BTreeMap<String, Value>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&made), "{UPDATE}");
    for (name, made) in &made {
        assert_eq!(without_waits(&committed[name]), without_waits(made), "{name}: {UPDATE}");
    }
}

/// The record with the seconds to wait left out where they depend on the time of day.
fn without_waits(record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(wait) = record["headers"].get_mut("retry-after") {
        assert!(wait.as_str().is_some_and(|wait| wait.parse::<u64>().is_ok()), "{wait}");
        *wait = Value::Null;
    }
    record
}

#[tokio::test]
async fn a_ca_certificate_is_told_apart_from_others() {
    let recorder = ProblemRecorder::open().await;
    let front = Front::tls("self_signed", recorder.aptly.address()).await;
    let link = Link { base_url: front.url, secret: "demo-aptly-token", settings: json!({}), verify: false };
    let id = recorder.gateway.link(&recorder.gateway.caller, "aptly", link).await.unwrap();
    let reply = recorder.read(&format!("/crm/contacts?credentialId={id}")).await;
    reply.is(502, "upstream_tls");
    assert!(reply.text.contains("it is a CA certificate (CA:TRUE)"), "{}", reply.text);
}
