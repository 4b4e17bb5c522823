//! `/admin/audit`: what is recorded of each call, what is never in it, and how it is read.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::test_gateway::{TestGateway, tenant};

/// The records, newest first.
async fn records(edge: &TestGateway, query: &str) -> Vec<Value> {
    let answer = edge.ask("GET", &format!("/admin/audit?pageSize=100&{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.text.contains("canary"), "{}", answer.text);
    answer.json()["items"].as_array().unwrap().clone()
}

/// One record in a line: actor, tenant, action, target, fields, outcome.
fn line(record: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let fields: Vec<String> = record["fields"].as_array().unwrap().iter().map(text).collect();
    let actor = format!("{}/{}", text(&record["actor"]["kind"]), text(&record["actor"]["id"]));
    let [tenant, action, target, outcome] =
        ["tenantId", "action", "target", "outcome"].map(|member| text(&record[member]));
    format!("{actor} {tenant} {action} {target} [{}] {outcome}", fields.join(","))
}

#[tokio::test]
async fn every_change_is_recorded_by_name_and_never_by_value() {
    let edge = TestGateway::open().await;
    let made = edge.tell("POST", "/admin/tenants", r#"{"name":"canary-1"}"#).await.json();
    let other = made["tenant"]["id"].as_str().unwrap();
    edge.tell("POST", "/admin/tenants", r#"{"name":"canary-1"}"#).await.is(409, "name_taken");
    let keys = format!("/admin/tenants/{other}/keys");
    let body = r#"{"name":"canary-2","scopes":["contacts:read"],"expiresAt":"2999-01-01T00:00:00Z"}"#;
    let key = edge.tell("POST", &keys, body).await.json()["key"]["id"].as_str().unwrap().to_owned();
    edge.ask("DELETE", &format!("{keys}/{key}")).await;
    edge.ask("DELETE", &format!("{keys}/canary-key")).await.is(404, "key_not_found");
    edge.ask("DELETE", &format!("/admin/tenants/{other}")).await;
    edge.ask("DELETE", "/admin/tenants/canary").await.is(404, "tenant_not_found");
    let body = r#"{"provider":"aptly","name":"canary-3","settings":{"defaultRegion":"US","canary-4":1},"secret":{"apiKey":"canary-5"}}"#;
    edge.tell("POST", "/credentials?verify=false", body).await.is(422, "validation_failed");
    let body = r#"{"provider":"aptly","name":"canary-3","settings":{"defaultRegion":"US"},"secret":{"apiKey":"canary-5"}}"#;
    let made = edge.tell("POST", "/credentials?verify=false", body).await.json();
    let id = made["credential"]["credentialId"].as_str().unwrap();
    let path = format!("/credentials/{id}");
    let body = r#"{"name":"canary-6","settings":{"defaultRegion":"CA"}}"#;
    assert_eq!(edge.tell("PATCH", &path, body).await.status, 200);
    edge.ask("DELETE", &path).await;
    let person = json!({
        "firstName": "canary-7", "lastName": "canary-8",
        "emailAddresses": [{ "emailAddress": "canary@example.com" }],
        "remoteFields": { "contactType": "canary-9", "canary-10": 1 },
    });
    edge.tell("POST", "/crm/contacts?credentialId=canary", person.to_string())
        .await
        .is(404, "credential_not_found");
    let body = r#"{"account":null,"phoneNumbers":[{"phoneNumber":"+1 416 555 0123"}]}"#;
    edge.tell("PATCH", "/crm/contacts/canary@example.com?credentialId=c", body).await;
    edge.ask("DELETE", "/crm/contacts/canary?credentialId=c").await;

    let all = records(&edge, "").await;
    assert!(all.iter().all(|record| record["requestId"].as_str().is_some_and(|id| id.len() == 36)));
    assert_lines(&all, other, &key, id, edge.caller.tenant.as_str());
}

/// What the calls above leave, oldest first.
fn assert_lines(all: &[Value], other: &str, key: &str, id: &str, tenant: &str) {
    let lines: Vec<String> = all.iter().rev().map(line).collect();
    let caller = format!("key/key_edge000000000000 {tenant}");
    let failed: Vec<&str> =
        lines.iter().filter(|line| line.contains("name_taken")).map(String::as_str).collect();
    assert!(failed.len() == 1 && failed[0].starts_with("operator/- ten_"), "{failed:?}");
    let lines: Vec<&str> =
        lines.iter().filter(|line| !line.contains("name_taken")).map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            &format!("operator/- {other} tenant.create {other} [name] ok"),
            &format!("operator/- {other} key.create {key} [name,scopes,expiresAt] ok"),
            &format!("operator/- {other} key.revoke {key} [] ok"),
            &format!("operator/- {other} key.revoke - [] key_not_found"),
            &format!("operator/- {other} tenant.delete {other} [] ok"),
            "operator/- - tenant.delete - [] tenant_not_found",
            &format!(
                "{caller} credential.create - [provider,name,secret,settings.defaultRegion,settings] validation_failed"
            ),
            &format!("{caller} credential.create {id} [provider,name,secret,settings.defaultRegion] ok"),
            &format!("{caller} credential.update {id} [name,settings.defaultRegion] ok"),
            &format!("{caller} credential.delete {id} [] ok"),
            &format!(
                "{caller} contact.create - [firstName,lastName,emailAddresses,remoteFields.contactType,remoteFields] credential_not_found"
            ),
            &format!("{caller} contact.update - [account,phoneNumbers] credential_not_found"),
            &format!("{caller} contact.delete - [] credential_not_found"),
        ]
    );
}

#[tokio::test]
async fn it_is_read_by_filters_and_cursors_by_the_operator_alone() {
    let edge = TestGateway::open().await;
    for n in 0..5 {
        edge.tell("POST", "/admin/tenants", format!(r#"{{"name":"t{n}"}}"#)).await;
    }
    edge.ask("DELETE", "/credentials/x").await;
    let all = records(&edge, "").await;
    assert_eq!(all.len(), 6);
    assert_eq!(all[0]["action"], "credential.delete", "newest first");
    assert_eq!(records(&edge, &format!("tenantId={}", edge.caller.tenant.as_str())).await, all[..1]);
    assert_eq!(records(&edge, "action=tenant.create").await, all[1..]);
    assert_eq!(records(&edge, "to=2020-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(records(&edge, "from=2020-01-01T00:00:00Z").await, all);
    let (mut walked, mut query) = (Vec::new(), "pageSize=2".to_owned());
    loop {
        let page = edge.ask("GET", &format!("/admin/audit?{query}")).await.json();
        walked.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        query = format!("pageSize=2&cursor={cursor}");
    }
    assert_eq!(walked, all);
    for (query, name) in [
        ("action=tenant.creat", "action"),
        ("from=yesterday", "from"),
        ("cursor=abc", "cursor"),
        ("tenant=ten_1", "tenant"),
    ] {
        let answer = edge.ask("GET", &format!("/admin/audit?{query}")).await;
        assert_eq!(answer.is(400, "invalid_parameter").places(), [name]);
    }
    let other = Request::get("/admin/audit").header("authorization", tenant()).body(Body::empty()).unwrap();
    edge.send(other).await.is(403, "insufficient_scope");
}

#[tokio::test]
async fn refused_authentications_are_sampled_and_show_no_key() {
    let edge = TestGateway::open().await;
    let unknown = contacts_gateway::auth::ApiKey::from_parts("unknown000000000", &"1".repeat(43)).unwrap();
    let unknown = secrecy::ExposeSecret::expose_secret(unknown.text()).to_owned();
    for n in 0..40 {
        let shown = if n == 0 { format!("Bearer {unknown}") } else { "Bearer cg_canary".to_owned() };
        let request = Request::get("/credentials")
            .header("authorization", shown)
            .header("x-request-id", format!("r{n}"));
        edge.send(request.body(Body::empty()).unwrap()).await.is(401, "unauthenticated");
    }
    let mut found = Vec::new();
    for _ in 0..100 {
        found = records(&edge, "action=authentication.refuse").await;
        if found.len() == 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut lines: Vec<String> = found.iter().map(line).collect();
    lines.sort();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert_eq!(lines[0], "nobody/- - authentication.refuse - [] unauthenticated");
    assert_eq!(lines[5], "nobody/key_unknown000000000 - authentication.refuse - [] unauthenticated");
    assert!(found.iter().any(|record| record["requestId"] == "r0"));
}
