//! The slices of the CRMs' contracts: what the adapters send, what the simulators answer and what the fixtures hold
//! keep to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use contacts_gateway::gateway::contacts::PageStart;
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::fixtures;
use crate::support::person::{ada, with};
use crate::support::relay::{Exchange, Relay};
use crate::support::slice::Slice;
use crate::support::worlds::{WORLDS, World};
use crate::test_gateway::{Link, TestGateway, soon};

/// A life of contacts through the gateway; what the CRM was asked and answered.
async fn lived(world: &dyn World, at: &Running) -> Vec<Exchange> {
    let provider = world.provider();
    let (gateway, relay) = (TestGateway::open().await, Relay::before(&at.base_url()).await);
    let settings = world.permissive();
    let [(refused, nonsense), _] = world.refused_remote_fields();
    let link =
        |secret| Link { base_url: relay.base_url(), secret, settings: settings.clone(), verify: false };
    let account = Account::link(&Arc::clone(&gateway), provider, link(at.token())).await;
    gateway.credentials.check(&soon(), &gateway.caller, &account.credential).await.unwrap();
    let made = account.create(ada()).await.unwrap();
    let _ = account.create(ada()).await;
    let several = json!({ "emailAddresses": [{ "emailAddress": "b@example.com" }, { "emailAddress": "c@example.com" }],
        "phoneNumbers": [{ "phoneNumber": "+14165550278" }, { "phoneNumber": "+14165550279" }] });
    account.create(with(ada(), &several)).await.unwrap();
    let _ = account
        .create(with(
            ada(),
            &json!({ "emailAddresses": [], "phoneNumbers": [{ "phoneNumber": "+14165550199" }],
        "remoteFields": { refused: nonsense } }),
        ))
        .await;
    account.update(&made.id, with(several.clone(), &json!({ "emailAddresses": [{ "emailAddress": "d@example.com" }], "phoneNumbers": [{ "phoneNumber": "+14165550271" }], "firstName": null }))).await.unwrap();
    account.update(&made.id, json!({ "lastName": null, "emailAddresses": [] })).await.unwrap();
    for change in world.remote_changes() {
        let change = change.to_string().replace("{id}", &made.id);
        let _ = account.update(&made.id, serde_json::from_str(&change).unwrap()).await;
    }
    assert_eq!(account.fields().await.unwrap().warnings, []);
    let _ = account.get("nobody").await;
    for filter in account.spec.filters {
        let value =
            if filter.name.parameter() == "emailAddress" { "d@example.com" } else { "2026-01-01T00:00:00Z" };
        account.list(&[(filter.name.parameter(), value)], PageStart::PageNumber(1), 50).await.unwrap();
    }
    let _ = account.delete(&made.id).await;
    at.fault(Fault::once(FaultKind::TooManyRequests { retry_after: None }));
    let _ = account.get("nobody").await;
    let stranger = Account::link(&gateway, provider, link("wrong")).await;
    let _ = stranger.get("nobody").await;
    relay.seen()
}

fn assert_kept(provider: &str, seen: &[Exchange], simulated: &str) -> BTreeSet<String> {
    let slice = Slice::of(provider);
    for Exchange { method, path, query, body, status, answer, traceparent } in seen {
        assert_eq!(*traceparent, None, "there are no traces");
        let faults = slice.faults(method, path, query, body, Some((*status, answer)));
        assert!(
            faults.is_empty(),
            "{simulated} {method} {path}?{query} {body}\n{status} {answer}\n{faults:#?}"
        );
    }
    seen.iter().filter_map(|call| slice.operation_name(&call.method, &call.path)).collect()
}

#[tokio::test]
async fn what_a_crm_is_sent_and_answers_is_in_its_slice_and_all_of_it_is_used() {
    for world in WORLDS {
        let mut used = BTreeSet::new();
        for variant in world.variants(30).await {
            let seen = lived(*world, &variant.at).await;
            used.extend(assert_kept(world.provider(), &seen, variant.name));
        }
        assert_eq!(used.len(), Slice::of(world.provider()).operations(), "{used:?}");
    }
}

#[test]
fn the_fixtures_are_in_the_slices() {
    let aptly = Slice::of("aptly");
    let answers = [
        ("POST", "/api/contacts", "aptly/create-answer.json"),
        ("GET", "/api/contacts", "aptly/list-answer.json"),
    ];
    let reads = fixtures::named("aptly", "read-").into_iter().map(|name| format!("aptly/{name}"));
    for (method, path, name) in answers
        .into_iter()
        .map(|(method, path, name)| (method, path, name.to_owned()))
        .chain(reads.map(|name| ("GET", "/api/contacts/abc123", name)))
    {
        let query = if path == "/api/contacts" && method == "GET" { "page=0" } else { "" };
        let body = if method == "POST" { fixtures::text("aptly/create-request.json") } else { String::new() };
        let faults = aptly.faults(method, path, query, &body, Some((200, &fixtures::text(&name))));
        assert!(faults.is_empty(), "{name} {faults:?}");
    }
    let pipeline = Slice::of("pipeline");
    for (method, path, request, answer) in [
        ("POST", "/api/contact", Some("pipeline/create-request.json"), "pipeline/create-answer.json"),
        ("GET", "/api/contacts", None, "pipeline/list-v1.json"),
        ("GET", "/api/contacts", None, "pipeline/list-v2.json"),
    ] {
        let query = if method == "GET" { "page=1&size=50&ownerFilter=all" } else { "" };
        let body = request.map(fixtures::text).unwrap_or_default();
        let faults = pipeline.faults(method, path, query, &body, Some((200, &fixtures::text(answer))));
        assert!(faults.is_empty(), "{answer} {faults:?}");
    }
    let change = r#"{"firstName":null}"#;
    let answer = fixtures::text("pipeline/patch-answer.json");
    assert_eq!(
        pipeline.faults("PATCH", "/api/contacts/x", "", change, Some((200, &answer))),
        Vec::<String>::new()
    );
    let removal = r#"{"contactIds":["x"]}"#;
    let answer = fixtures::text("pipeline/delete-answer.json");
    assert_eq!(
        pipeline.faults("DELETE", "/api/contacts/bulk-delete", "", removal, Some((200, &answer))),
        Vec::<String>::new()
    );
    assert_eq!(pipeline.faults_of("Contact", &fixtures::json("pipeline/contact.json")), Vec::<String>::new());
}

#[test]
fn the_check_of_the_slices_has_teeth() {
    let (aptly, pipeline) = (Slice::of("aptly"), Slice::of("pipeline"));
    for (slice, method, path, query, body) in [
        (&aptly, "POST", "/api/contacts", "", r#"{"_id":"x"}"#),
        (&aptly, "POST", "/api/contacts", "", r#"{"First Name":"A","lastname":"B"}"#),
        (&aptly, "POST", "/api/contacts", "", r#"{"Email":["x"]}"#),
        (&aptly, "POST", "/api/contacts", "", "{}"),
        (&aptly, "POST", "/api/contacts/x", "", r#"{"lastname":"B","typeId":"x","contactType":"Tenant"}"#),
        (&aptly, "POST", "/api/contacts", "", r#"{"phone":[{"number":"1","type":"fax"}]}"#),
        (&aptly, "POST", "/api/contacts", "", r#"{"lastname":"B","email":{"value":"x"}}"#),
        (&aptly, "GET", "/api/contacts", "", ""),
        (&aptly, "GET", "/api/contacts", "page=-1", ""),
        (&aptly, "GET", "/api/contacts", "page=0&x-token=y", ""),
        (&aptly, "DELETE", "/api/contacts/x", "", ""),
        (&pipeline, "POST", "/api/contacts", "", "{}"),
        (&pipeline, "POST", "/api/contact", "", "{}"),
        (&pipeline, "GET", "/api/contacts", "page=1&size=50&ownerFilter=my", ""),
        (&pipeline, "DELETE", "/api/contacts/bulk-delete", "", r#"{"contactIds":[]}"#),
        (&pipeline, "DELETE", "/api/contacts/query-bulk-delete", "", "{}"),
        (&pipeline, "PATCH", "/api/contacts/x", "", r#"{"process":"x"}"#),
    ] {
        assert!(!slice.faults(method, path, query, body, None).is_empty(), "{method} {path} {body}");
    }
    let wrong: Value = json!({ "data": [{ "_id": 5 }], "count": 1, "page": 0, "pageSize": 200 });
    assert!(!aptly.faults("GET", "/api/contacts", "page=0", "", Some((200, &wrong.to_string()))).is_empty());
    assert!(!aptly.faults("GET", "/api/contacts", "page=0", "", Some((418, "{}"))).is_empty());
}
