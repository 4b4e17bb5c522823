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

use super::{APTLY, Bench, json_request, record};
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
    for (name, recorded) in join_all(parts).await.into_iter().flatten() {
        assert!(all.insert(name.clone(), recorded).is_none(), "{name} twice");
    }
    all
}

async fn at_the_edge() -> Vec<(String, Value)> {
    let bench = Bench::open().await;
    let reads = bench.gateway.key(&bench.gateway.caller, &[Scope::ContactsRead], None).await;
    let post = |body: &'static str| bench.ask(json_request("POST", APTLY), body);
    vec![
        record(&bench, "malformed_request", &post(r#"{"lastName": "Okafor",}"#).await),
        record(&bench, "invalid_parameter", &bench.read(&format!("{APTLY}&pageSize=500")).await),
        record(&bench, "unauthenticated", &bench.ask(http::Request::get(APTLY), Body::empty()).await),
        record(&bench, "insufficient_scope", &{
            let request = http::Request::post(APTLY).header("authorization", reads);
            bench.ask(request.header("content-type", "application/json"), "{}").await
        }),
        record(&bench, "route_not_found", &bench.read("/crm/contact?credentialId=demo-aptly").await),
        record(&bench, "method_not_allowed", &bench.ask(signed("DELETE", APTLY), Body::empty()).await),
        record(&bench, "body_too_large", &bench.ask(json_request("POST", APTLY), " ".repeat(1 << 21)).await),
        record(&bench, "unsupported_media_type", &{
            let request = signed("POST", APTLY).header("content-type", "text/plain");
            bench.ask(request, ada().to_string()).await
        }),
        record(&bench, "validation_failed", &{
            let emails = json!([{ "emailAddress": "ada.okafor.example.com" }]);
            bench.write("POST", APTLY, json!({ "lastName": "Okafor", "emailAddresses": emails })).await
        }),
        record(&bench, "idempotency_key_invalid", &bench.keyed("", APTLY, &ada()).await),
        record(&bench, "issuer_unavailable", &with_a_token_of_an_unreachable_issuer().await),
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
    let bench = Bench::with(Setup { issuers, ..Setup::default() }).await;
    let claims = text(&json!({ "iss": name }).to_string());
    let token = format!("Bearer {}.{claims}.{}", text(r#"{"alg":"RS256","kid":"1"}"#), text("no signature"));
    bench.ask(http::Request::get("/crm/contacts").header("authorization", token), Body::empty()).await
}

async fn of_the_operator() -> Vec<(String, Value)> {
    let bench = Bench::open().await;
    let key = format!("/admin/tenants/{}/keys/key_unknown", bench.gateway.caller.tenant);
    let linked = |base_url: &str| {
        let settings = json!({ "baseUrl": base_url });
        json!({ "provider": "aptly", "name": "Aptly", "settings": settings, "secret": { "apiKey": "…" } })
    };
    vec![
        record(&bench, "credential_not_found", &bench.read("/crm/contacts?credentialId=cred_unknown").await),
        record(&bench, "tenant_not_found", &bench.read("/admin/tenants/ten_unknown").await),
        record(&bench, "key_not_found", &bench.ask(signed("DELETE", &key), Body::empty()).await),
        record(
            &bench,
            "name_taken",
            &bench.write("POST", "/admin/tenants", json!({ "name": "first" })).await,
        ),
        record(
            &bench,
            "base_url_refused",
            &bench.write("POST", "/credentials", linked("https://10.0.0.5")).await,
        ),
    ]
}

async fn of_reads() -> Vec<(String, Value)> {
    let bench = Bench::open().await;
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
    let id = bench.gateway.link(&bench.gateway.caller, "aptly", link(&large)).await.unwrap();
    let emails: Vec<String> = (0..1000).map(|n| format!("{n:04}{}@c.d", "f".repeat(32))).collect();
    let wide = (0..100).map(|n| json!({ "_id": format!("w{n:03}"), "lastname": "Doe", "email": emails }));
    let wide = AptlyOptions { contacts: wide.collect(), ..AptlyOptions::empty() };
    let wide = AptlySimulator::start(wide).await.unwrap();
    let wide_id = bench.gateway.link(&bench.gateway.caller, "aptly", link(&wide)).await.unwrap();
    vec![
        record(&bench, "contact_not_found", &bench.read(unknown).await),
        record(&bench, "filter_unsupported", &bench.read(&format!("{APTLY}&account=Haugen%20Labs")).await),
        record(&bench, "scan_limit_reached", &{
            bench.read(&format!("/crm/contacts?credentialId={id}&lastNameNotEquals=Doe")).await
        }),
        record(&bench, "upstream_response_too_large", &{
            bench.read(&format!("/crm/contacts?credentialId={wide_id}&pageSize=100")).await
        }),
    ]
}

async fn of_writes() -> Vec<(String, Value)> {
    let bench = Bench::open().await;
    let first = bench.read(&format!("{APTLY}&pageSize=2")).await.json();
    let held = &first["contacts"][0];
    let email = held["emailAddresses"][0]["emailAddress"].clone();
    let same = json!({ "lastName": "Okafor", "emailAddresses": [{ "emailAddress": email }] });
    let person = &bench.pipeline.contacts()[0];
    let of_pipeline = format!("/crm/contacts/{}?credentialId=demo-pipeline", person["_id"].as_str().unwrap());
    let upsert = "/crm/contacts/upsert?credentialId=demo-aptly&matchOn=emailAddress";
    for name in ["Ada", "Grace"] {
        let twin = json!({ "firstname": name, "lastname": "Twin", "email": ["twin@example.com"] });
        bench.aptly.put(twin).unwrap();
    }
    let changed = json_request("PATCH", OF_APTLY).header("if-match", "\"5f0c2a91b7d4e6a8\"");
    let mut recorded = vec![
        record(&bench, "contact_changed", &bench.ask(changed, r#"{"account":null}"#).await),
        record(&bench, "contact_exists", &bench.write("POST", APTLY, same).await),
        record(&bench, "ambiguous_match", &{
            let emails = json!([{ "emailAddress": "twin@example.com" }]);
            bench.write("POST", upsert, json!({ "lastName": "Twin", "emailAddresses": emails })).await
        }),
        record(&bench, "delete_not_allowed", &bench.ask(signed("DELETE", &of_pipeline), Body::empty()).await),
        record(&bench, "operation_unsupported", &bench.ask(signed("DELETE", OF_APTLY), Body::empty()).await),
    ];
    bench.aptly.fault(Fault::once(FaultKind::Field(Disruption::dropping("lastname"))));
    let renamed = bench.write("PATCH", OF_APTLY, json!({ "lastName": "Renamed" })).await;
    recorded.push(record(&bench, "upstream_did_not_apply", &renamed));
    bench.pipeline.fault(Fault::once(FaultKind::ResetAfterApplying).on_writes());
    recorded.push(record(&bench, "outcome_unknown", &bench.write("POST", PIPELINE, ada()).await));
    bench.aptly.fault(Fault::once(status(422, "Last Name is too short")).on_writes());
    let short = json!({ "lastName": "O", "emailAddresses": [{ "emailAddress": "o@example.com" }] });
    recorded.push(record(&bench, "upstream_rejected", &bench.write("POST", APTLY, short).await));
    recorded
}

async fn of_idempotent_writes() -> Vec<(String, Value)> {
    let limits = Limits { settle: Duration::from_millis(1), ..Setup::default().limits };
    let bench = Bench::limited(limits).await;
    assert_eq!(bench.keyed("order-1", APTLY, &ada()).await.status, 200);
    let mut other = ada();
    other["firstName"] = "Grace".into();
    let reused = bench.keyed("order-1", APTLY, &other).await;
    bench.pipeline.fault(Fault::once(FaultKind::Latency { ms: 1000 }).on_writes());
    let (person, late) = (ada(), Duration::from_millis(300));
    let (first, second) = tokio::join!(bench.keyed("order-2", PIPELINE, &person), async {
        tokio::time::sleep(late).await;
        bench.keyed("order-2", PIPELINE, &person).await
    });
    assert_eq!(first.status, 200);
    // The contact is stored, its response is lost, and what the CRM then shows differs.
    let grace = json!({ "firstName": "Grace", "lastName": "Haddad",
        "emailAddresses": [{ "emailAddress": "grace@example.com" }] });
    let shown = json!({ "firstname": "G.", "firstName": "G.", "lastname": "H.", "lastName": "H." });
    bench.aptly.view(View { with: shown.as_object().unwrap().clone(), ..View::everywhere() });
    bench.aptly.fault(Fault::once(FaultKind::ResetAfterApplying).on_writes());
    let mut ambiguous = bench.keyed("order-3", APTLY, &grace).await;
    for _ in 0..20 {
        if ambiguous.code() == "outcome_ambiguous" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        ambiguous = bench.keyed("order-3", APTLY, &grace).await;
    }
    vec![
        record(&bench, "idempotency_key_reused", &reused),
        record(&bench, "idempotency_in_progress", &second),
        record(&bench, "outcome_ambiguous", &ambiguous),
    ]
}

async fn of_the_crm() -> Vec<(String, Value)> {
    let mut recorded = Vec::new();
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
        let bench = Bench::open().await;
        let reply = bench.list_under(kind).await;
        recorded.push(record(&bench, code, &reply));
    }
    let bench = Bench::open().await;
    bench.aptly.fault(Fault::always(status(503, "Unavailable")));
    let mut reply = bench.read(APTLY).await;
    for _ in 0..20 {
        if reply.code() == "upstream_circuit_open" {
            break;
        }
        reply = bench.read(APTLY).await;
    }
    recorded.push(record(&bench, "upstream_circuit_open", &reply));
    let bench = Bench::open().await;
    let expired = Front::tls("expired", bench.aptly.address()).await;
    for (code, front) in [("upstream_unreachable", Front::nobody()), ("upstream_tls", expired)] {
        let base_url = front.url.clone();
        let link = Link { base_url, secret: "demo-aptly-token", settings: json!({}), verify: false };
        let id = bench.gateway.link(&bench.gateway.caller, "aptly", link).await.unwrap();
        let reply = bench.read(&format!("/crm/contacts?credentialId={id}")).await;
        recorded.push(record(&bench, code, &reply));
    }
    recorded
}

async fn of_limits() -> Vec<(String, Value)> {
    let open = || Limits { key_rate: None, ..Limits::default() };
    let mut recorded = Vec::new();
    let bench = Bench::limited(Limits { key_rate: Some(1), key_burst: 1, ..open() }).await;
    bench.read("/credentials").await;
    recorded.push(record(&bench, "rate_limited", &bench.read("/credentials").await));
    for (code, limits) in [
        ("too_many_concurrent_requests", Limits { tenant_in_flight: Some(1), ..open() }),
        ("overloaded", Limits { in_flight: Some(1), ..open() }),
    ] {
        let bench = Bench::limited(limits).await;
        recorded.push(record(&bench, code, &while_another_waits(&bench).await));
    }
    recorded.push(while_another_writes().await);
    let quotas = Quotas { ledger_rows: Some(1), credentials: Some(2), ..Quotas::default() };
    let bench = Bench::with(Setup { quotas, ..Setup::default() }).await;
    let third = json!({ "provider": "aptly", "name": "third", "secret": { "apiKey": "…" } });
    let third = bench.write("POST", "/credentials?verify=false", third).await;
    recorded.push(record(&bench, "quota_exceeded", &third));
    assert_eq!(bench.keyed("order-1", APTLY, &ada()).await.status, 200);
    let (_, ledger) = record(&bench, "quota_exceeded", &bench.keyed("order-2", APTLY, &ada()).await);
    recorded.push(("quota_exceeded.ledger".to_owned(), ledger));
    recorded
}

/// The response to a read while another one waits for the CRM.
async fn while_another_waits(bench: &Bench) -> Reply {
    bench.aptly.fault(Fault::once(FaultKind::Latency { ms: 1500 }));
    let (first, second) = tokio::join!(bench.read(APTLY), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bench.read(APTLY).await
    });
    assert_eq!(first.status, 200, "{}", first.text);
    second
}

/// A create that has no time to wait for another create of the same person.
async fn while_another_writes() -> (String, Value) {
    let bench = Bench::open().await;
    bench.aptly.fault(Fault::once(FaultKind::Latency { ms: 1500 }).on_writes());
    let (first, second) = tokio::join!(bench.write("POST", APTLY, ada()), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let hurried = json_request("POST", APTLY).header("x-request-timeout-ms", "200");
        bench.ask(hurried, ada().to_string()).await
    });
    assert_eq!(first.status, 200, "{}", first.text);
    record(&bench, "gateway_timeout", &second)
}

async fn of_the_process() -> Vec<(String, Value)> {
    let mut recorded = Vec::new();
    let bench = Bench::open().await;
    bench.gateway.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    recorded.push(record(&bench, "internal", &bench.read("/readyz").await));
    bench.gateway.gate.close();
    recorded.push(record(&bench, "draining", &bench.read(APTLY).await));
    let bench = Bench::open().await;
    // The secret of a credential that has not been used yet, as another master key sealed it.
    let options = SqliteConnectOptions::new().filename(bench.gateway.folder().join("gateway.db"));
    let mut database = options.busy_timeout(Duration::from_secs(5)).connect().await.unwrap();
    let shorter = "UPDATE credentials SET secret = substr(secret, 1, 30)";
    sqlx::query(shorter).execute(&mut database).await.unwrap();
    recorded.push(record(&bench, "secret_unreadable", &bench.read(APTLY).await));
    bench.gateway.store.database.close().await;
    recorded.push(record(&bench, "store_unavailable", &bench.read(APTLY).await));
    recorded
}
