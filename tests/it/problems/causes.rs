//! A real request for each problem.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use contacts_gateway::auth::Issuers;
use contacts_gateway::config::{JwtAlgorithm, JwtIssuer, JwtKeys, Limits, Quotas, SettingOrigin};
use contacts_gateway::domain::Scope;
use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator};
use contacts_gateway::simulators::{Disruption, Fault, FaultKind, Running, View};
use contacts_gateway::upstream::AllowList;
use futures_util::future::{LocalBoxFuture, join_all};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::{APTLY, ProblemRecorder, json_request, record};
use crate::front::Front;
use crate::reply::Reply;
use crate::test_gateway::{Link, Setup, signed};

const PIPELINE: &str = "/crm/contacts?credentialId=demo-pipeline";
const OF_APTLY: &str = "/crm/contacts/SLAqyjLpZQqytedKG?credentialId=demo-aptly";

fn ada() -> Value {
    json!({ "firstName": "Ada", "lastName": "Okafor", "emailAddresses": [{ "emailAddress": "ada.okafor@example.com" }],
        "phoneNumbers": [{ "phoneNumber": "+1 416 555 0123" }] })
}

fn status(code: u16, message: &str) -> FaultKind {
    FaultKind::Status {
        code,
        body: json!({ "success": false, "message": message }).to_string(),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
    }
}

/// Every problem by its name in the file, each caused by a real request.
pub(super) async fn all() -> BTreeMap<String, Value> {
    let parts: Vec<LocalBoxFuture<'static, Vec<(String, Value)>>> = vec![
        Box::pin(at_the_edge()),
        Box::pin(of_the_operator()),
        Box::pin(of_reads()),
        Box::pin(of_writes()),
        Box::pin(of_idempotent_writes()),
        Box::pin(of_the_crm()),
        Box::pin(of_limits()),
        Box::pin(of_the_process()),
    ];
    let mut all = BTreeMap::new();
    for (name, problem) in join_all(parts).await.into_iter().flatten() {
        assert!(all.insert(name.clone(), problem).is_none(), "{name} twice");
    }
    all
}

async fn at_the_edge() -> Vec<(String, Value)> {
    let recorder = ProblemRecorder::open().await;
    let reads = recorder.gateway.key(&recorder.gateway.caller, &[Scope::ContactsRead], None).await;
    let post = |body: &'static str| recorder.ask(json_request("POST", APTLY), body);
    vec![
        record(&recorder, "malformed_request", &post(r#"{"lastName": "Okafor",}"#).await),
        record(&recorder, "invalid_parameter", &recorder.read(&format!("{APTLY}&pageSize=500")).await),
        record(&recorder, "unauthenticated", &recorder.ask(http::Request::get(APTLY), Body::empty()).await),
        record(&recorder, "insufficient_scope", &{
            let request = http::Request::post(APTLY).header("authorization", reads);
            recorder.ask(request.header("content-type", "application/json"), "{}").await
        }),
        record(&recorder, "route_not_found", &recorder.read("/crm/contact?credentialId=demo-aptly").await),
        record(&recorder, "method_not_allowed", &recorder.ask(signed("DELETE", APTLY), Body::empty()).await),
        record(
            &recorder,
            "body_too_large",
            &recorder.ask(json_request("POST", APTLY), " ".repeat(1 << 21)).await,
        ),
        record(&recorder, "unsupported_media_type", &{
            let request = signed("POST", APTLY).header("content-type", "text/plain");
            recorder.ask(request, ada().to_string()).await
        }),
        record(&recorder, "validation_failed", &{
            let emails = json!([{ "emailAddress": "ada.okafor.example.com" }]);
            recorder.write("POST", APTLY, json!({ "lastName": "Okafor", "emailAddresses": emails })).await
        }),
        record(&recorder, "idempotency_key_invalid", &recorder.keyed("", APTLY, &ada()).await),
        record(&recorder, "issuer_unavailable", &with_a_token_of_an_unreachable_issuer().await),
    ]
}

async fn with_a_token_of_an_unreachable_issuer() -> Reply {
    use base64::Engine;
    let text = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let name = "https://login.example.com";
    let issuer = JwtIssuer {
        issuer: name.to_owned(),
        audience: "contacts-gateway".to_owned(),
        algorithms: vec![JwtAlgorithm::Rs256],
        keys: JwtKeys::Url("http://127.0.0.1:1/jwks.json".to_owned()),
        tenant_claim: "tenant".to_owned(),
        scope_claim: "scope".to_owned(),
        max_lifetime: Duration::from_hours(1),
        origin: SettingOrigin::Default,
    };
    let issuers = Issuers::new(&[issuer], &AllowList::parse("127.0.0.1").unwrap()).ok().unwrap();
    let recorder = ProblemRecorder::with(Setup { issuers, ..Setup::default() }).await;
    let claims = text(&json!({ "iss": name }).to_string());
    let token = format!("Bearer {}.{claims}.{}", text(r#"{"alg":"RS256","kid":"1"}"#), text("no signature"));
    recorder.ask(http::Request::get("/crm/contacts").header("authorization", token), Body::empty()).await
}

async fn of_the_operator() -> Vec<(String, Value)> {
    let recorder = ProblemRecorder::open().await;
    let key = format!("/admin/tenants/{}/keys/key_unknown", recorder.gateway.caller.tenant);
    let linked = |base_url: &str| {
        let settings = json!({ "baseUrl": base_url });
        json!({ "provider": "aptly", "name": "Aptly", "settings": settings, "secret": { "apiKey": "…" } })
    };
    vec![
        record(
            &recorder,
            "credential_not_found",
            &recorder.read("/crm/contacts?credentialId=cred_unknown").await,
        ),
        record(&recorder, "tenant_not_found", &recorder.read("/admin/tenants/ten_unknown").await),
        record(&recorder, "key_not_found", &recorder.ask(signed("DELETE", &key), Body::empty()).await),
        record(
            &recorder,
            "name_taken",
            &recorder.write("POST", "/admin/tenants", json!({ "name": "first" })).await,
        ),
        record(
            &recorder,
            "base_url_refused",
            &recorder.write("POST", "/credentials", linked("https://10.0.0.5")).await,
        ),
    ]
}

async fn of_reads() -> Vec<(String, Value)> {
    let recorder = ProblemRecorder::open().await;
    let unknown = "/crm/contacts/Yb3kPq7RwZ1tVn5Xc?credentialId=demo-aptly";
    let many = (0..5100).map(|n| json!({ "_id": format!("p{n:04}"), "lastname": "Doe", "lastName": "Doe" }));
    let large = AptlyOptions { contacts: many.collect(), ..AptlyOptions::empty() };
    let large = AptlySimulator::start(large).await.unwrap();
    let link = |crm: &Running| Link {
        base_url: crm.base_url(),
        secret: "demo-aptly-token",
        settings: json!({}),
        verify: false,
    };
    let id = recorder.gateway.link(&recorder.gateway.caller, "aptly", link(&large)).await.unwrap();
    let emails: Vec<String> = (0..1000).map(|n| format!("{n:04}{}@c.d", "f".repeat(32))).collect();
    let wide = (0..100).map(|n| json!({ "_id": format!("w{n:03}"), "lastname": "Doe", "email": emails }));
    let wide = AptlyOptions { contacts: wide.collect(), ..AptlyOptions::empty() };
    let wide = AptlySimulator::start(wide).await.unwrap();
    let wide_id = recorder.gateway.link(&recorder.gateway.caller, "aptly", link(&wide)).await.unwrap();
    vec![
        record(&recorder, "contact_not_found", &recorder.read(unknown).await),
        record(
            &recorder,
            "filter_unsupported",
            &recorder.read(&format!("{APTLY}&account=Haugen%20Labs")).await,
        ),
        record(&recorder, "scan_limit_reached", &{
            recorder.read(&format!("/crm/contacts?credentialId={id}&lastNameNotEquals=Doe")).await
        }),
        record(&recorder, "upstream_response_too_large", &{
            recorder.read(&format!("/crm/contacts?credentialId={wide_id}&pageSize=100")).await
        }),
    ]
}

async fn of_writes() -> Vec<(String, Value)> {
    let recorder = ProblemRecorder::open().await;
    let first = recorder.read(&format!("{APTLY}&pageSize=2")).await.json();
    let held = &first["contacts"][0];
    let email = held["emailAddresses"][0]["emailAddress"].clone();
    let same = json!({ "lastName": "Okafor", "emailAddresses": [{ "emailAddress": email }] });
    let person = &recorder.pipeline.contacts()[0];
    let of_pipeline = format!("/crm/contacts/{}?credentialId=demo-pipeline", person["_id"].as_str().unwrap());
    let upsert = "/crm/contacts/upsert?credentialId=demo-aptly&matchOn=emailAddress";
    for name in ["Ada", "Grace"] {
        let twin = json!({ "firstname": name, "lastname": "Twin", "email": ["twin@example.com"] });
        recorder.aptly.put(twin).unwrap();
    }
    let changed = json_request("PATCH", OF_APTLY).header("if-match", "\"5f0c2a91b7d4e6a8\"");
    let mut problems = vec![
        record(&recorder, "contact_changed", &recorder.ask(changed, r#"{"account":null}"#).await),
        record(&recorder, "contact_exists", &recorder.write("POST", APTLY, same).await),
        record(&recorder, "ambiguous_match", &{
            let emails = json!([{ "emailAddress": "twin@example.com" }]);
            recorder.write("POST", upsert, json!({ "lastName": "Twin", "emailAddresses": emails })).await
        }),
        record(
            &recorder,
            "delete_not_allowed",
            &recorder.ask(signed("DELETE", &of_pipeline), Body::empty()).await,
        ),
        record(
            &recorder,
            "operation_unsupported",
            &recorder.ask(signed("DELETE", OF_APTLY), Body::empty()).await,
        ),
    ];
    recorder.aptly.fault(Fault::once(FaultKind::Field(Disruption::dropping("lastname"))));
    let renamed = recorder.write("PATCH", OF_APTLY, json!({ "lastName": "Renamed" })).await;
    problems.push(record(&recorder, "upstream_did_not_apply", &renamed));
    recorder.pipeline.fault(Fault::once(FaultKind::ResetAfterApplying).on_writes());
    problems.push(record(&recorder, "outcome_unknown", &recorder.write("POST", PIPELINE, ada()).await));
    recorder.aptly.fault(Fault::once(status(422, "Last Name is too short")).on_writes());
    let short = json!({ "lastName": "O", "emailAddresses": [{ "emailAddress": "o@example.com" }] });
    problems.push(record(&recorder, "upstream_rejected", &recorder.write("POST", APTLY, short).await));
    problems
}

async fn of_idempotent_writes() -> Vec<(String, Value)> {
    let limits = Limits { settle: Duration::from_millis(1), ..Setup::default().limits };
    let recorder = ProblemRecorder::limited(limits).await;
    assert_eq!(recorder.keyed("order-1", APTLY, &ada()).await.status, 200);
    let mut other = ada();
    other["firstName"] = "Grace".into();
    let reused = recorder.keyed("order-1", APTLY, &other).await;
    recorder.pipeline.fault(Fault::once(FaultKind::Latency { ms: 2000 }).on_writes());
    let person = ada();
    let (first, second) = tokio::join!(recorder.keyed("order-2", PIPELINE, &person), async {
        until_met(&recorder.pipeline).await;
        recorder.keyed("order-2", PIPELINE, &person).await
    });
    assert_eq!(first.status, 200);
    // The contact is stored, its response is lost, and what the CRM then shows differs.
    let grace = json!({ "firstName": "Grace", "lastName": "Haddad",
        "emailAddresses": [{ "emailAddress": "grace@example.com" }] });
    let shown = json!({ "firstname": "G.", "firstName": "G.", "lastname": "H.", "lastName": "H." });
    recorder.aptly.view(View { with: shown.as_object().unwrap().clone(), ..View::everywhere() });
    recorder.aptly.fault(Fault::once(FaultKind::ResetAfterApplying).on_writes());
    let mut ambiguous = recorder.keyed("order-3", APTLY, &grace).await;
    for _ in 0..20 {
        if ambiguous.code() == "outcome_ambiguous" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        ambiguous = recorder.keyed("order-3", APTLY, &grace).await;
    }
    vec![
        record(&recorder, "idempotency_key_reused", &reused),
        record(&recorder, "idempotency_in_progress", &second),
        record(&recorder, "outcome_ambiguous", &ambiguous),
    ]
}

async fn of_the_crm() -> Vec<(String, Value)> {
    let mut problems = Vec::new();
    for (code, kind) in [
        ("upstream_credential_rejected", status(401, "Invalid API key")),
        ("upstream_permission_denied", status(403, "Forbidden")),
        ("upstream_rate_limited", FaultKind::TooManyRequests { retry_after: Some("30".to_owned()) }),
        ("upstream_error", status(500, "Something went wrong")),
        ("upstream_redirected", FaultKind::Redirect { status: 302, location: "https://example.com/".into() }),
        ("upstream_invalid_response", FaultKind::HtmlBody { status: 200 }),
        ("upstream_timeout", FaultKind::NeverAnswer),
    ] {
        // Each with a gateway that has learnt nothing of the CRM yet.
        let recorder = ProblemRecorder::open().await;
        let reply = recorder.list_with_fault(kind).await;
        problems.push(record(&recorder, code, &reply));
    }
    let recorder = ProblemRecorder::open().await;
    recorder.aptly.fault(Fault::always(status(503, "Unavailable")));
    let mut reply = recorder.read(APTLY).await;
    for _ in 0..20 {
        if reply.code() == "upstream_circuit_open" {
            break;
        }
        reply = recorder.read(APTLY).await;
    }
    problems.push(record(&recorder, "upstream_circuit_open", &reply));
    let recorder = ProblemRecorder::open().await;
    let expired = Front::tls("expired", recorder.aptly.address()).await;
    for (code, front) in [("upstream_unreachable", Front::nobody()), ("upstream_tls", expired)] {
        let base_url = front.url.clone();
        let link = Link { base_url, secret: "demo-aptly-token", settings: json!({}), verify: false };
        let id = recorder.gateway.link(&recorder.gateway.caller, "aptly", link).await.unwrap();
        let reply = recorder.read(&format!("/crm/contacts?credentialId={id}")).await;
        problems.push(record(&recorder, code, &reply));
    }
    problems
}

async fn of_limits() -> Vec<(String, Value)> {
    let open = || Limits { key_rate: None, ..Limits::default() };
    let mut problems = Vec::new();
    let recorder = ProblemRecorder::limited(Limits { key_rate: Some(1), key_burst: 1, ..open() }).await;
    recorder.read("/credentials").await;
    problems.push(record(&recorder, "rate_limited", &recorder.read("/credentials").await));
    for (code, limits) in [
        ("too_many_concurrent_requests", Limits { tenant_in_flight: Some(1), ..open() }),
        ("overloaded", Limits { in_flight: Some(1), ..open() }),
    ] {
        let recorder = ProblemRecorder::limited(limits).await;
        problems.push(record(&recorder, code, &while_another_waits(&recorder).await));
    }
    problems.push(while_another_writes().await);
    let quotas = Quotas { ledger_rows: Some(1), credentials: Some(2), ..Quotas::default() };
    let recorder = ProblemRecorder::with(Setup { quotas, ..Setup::default() }).await;
    let third = json!({ "provider": "aptly", "name": "third", "secret": { "apiKey": "…" } });
    let third = recorder.write("POST", "/credentials?verify=false", third).await;
    problems.push(record(&recorder, "quota_exceeded", &third));
    assert_eq!(recorder.keyed("order-1", APTLY, &ada()).await.status, 200);
    let (_, ledger) = record(&recorder, "quota_exceeded", &recorder.keyed("order-2", APTLY, &ada()).await);
    problems.push(("quota_exceeded.ledger".to_owned(), ledger));
    problems
}

/// Waits until a call has met the only fault.
async fn until_met(crm: &Running) {
    while !crm.faults().all().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The response to a read while another one waits for the CRM.
async fn while_another_waits(recorder: &ProblemRecorder) -> Reply {
    recorder.aptly.fault(Fault::once(FaultKind::Latency { ms: 2000 }));
    let (first, second) = tokio::join!(recorder.read(APTLY), async {
        until_met(&recorder.aptly).await;
        recorder.read(APTLY).await
    });
    assert_eq!(first.status, 200, "{}", first.text);
    second
}

/// A create that has no time to wait for another create of the same person.
async fn while_another_writes() -> (String, Value) {
    let recorder = ProblemRecorder::open().await;
    recorder.aptly.fault(Fault::once(FaultKind::Latency { ms: 2000 }).on_writes());
    let (first, second) = tokio::join!(recorder.write("POST", APTLY, ada()), async {
        until_met(&recorder.aptly).await;
        let with_short_deadline = json_request("POST", APTLY).header("x-request-timeout-ms", "200");
        recorder.ask(with_short_deadline, ada().to_string()).await
    });
    assert_eq!(first.status, 200, "{}", first.text);
    record(&recorder, "gateway_timeout", &second)
}

async fn of_the_process() -> Vec<(String, Value)> {
    let mut problems = Vec::new();
    let recorder = ProblemRecorder::open().await;
    recorder.gateway.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    problems.push(record(&recorder, "internal", &recorder.read("/readyz").await));
    recorder.gateway.admission.close();
    problems.push(record(&recorder, "draining", &recorder.read(APTLY).await));
    let recorder = ProblemRecorder::open().await;
    // The secret of a credential that has not been used yet, as another master key sealed it.
    let options = SqliteConnectOptions::new().filename(recorder.gateway.folder().join("gateway.db"));
    let mut database = options.busy_timeout(Duration::from_secs(5)).connect().await.unwrap();
    let shorter = "UPDATE credentials SET secret = substr(secret, 1, 30)";
    sqlx::query(shorter).execute(&mut database).await.unwrap();
    problems.push(record(&recorder, "secret_unreadable", &recorder.read(APTLY).await));
    recorder.gateway.store.database.close().await;
    problems.push(record(&recorder, "store_unavailable", &recorder.read(APTLY).await));
    problems
}
