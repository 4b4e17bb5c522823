//! The documents' own examples, sent and answered as printed, and every documented spelling of an answer.

use std::fmt::Write as _;
use std::sync::Arc;

use contacts_gateway::gateway::contacts::ContactView;
use serde_json::{Value, json};

use crate::support::canned::Canned;
use crate::support::fixtures::{self, named, text};
use crate::support::person::shown;
use crate::support::world::{Account, Link, Office, warned};

const EMPTY_PAGE: &str = r#"{"data":[],"count":0,"page":0,"pageSize":200}"#;

async fn canned(provider: &str) -> (Canned, Account) {
    let (office, crm) = (Office::open().await, Canned::start().await);
    let link = Link { base_url: crm.base_url(), secret: "token", settings: json!({}), verify: false };
    let account = Account::link(&Arc::clone(&office), provider, link).await;
    (crm, account)
}

fn readable(shown_contact: &ContactView) -> String {
    let mut text = serde_json::to_string_pretty(&shown(&shown_contact.contact)).unwrap();
    for (code, pointer) in warned(shown_contact) {
        write!(text, "\n{} {pointer}", code.as_str()).unwrap();
    }
    text
}

#[tokio::test]
async fn the_example_of_aptlys_create_is_sent_and_understood_as_printed() {
    let (crm, account) = canned("aptly").await;
    let empty = (200, EMPTY_PAGE);
    crm.tell("GET /api/contacts", &[empty, empty, (200, &text("aptly/list-answer.json"))]);
    crm.tell("POST /api/contacts", &[(200, &text("aptly/create-answer.json"))]);
    crm.tell("GET /api/contacts/abc123", &[(200, &text("aptly/create-answer.json"))]);
    let made = account
        .create(json!({
            "firstName": "Jane", "lastName": "Smith",
            "emailAddresses": [{ "emailAddress": "jane@example.com", "emailAddressType": "main" }],
            "phoneNumbers": [{ "phoneNumber": "+14155551234", "phoneNumberType": "mobile" }],
            "remoteFields": { "Contact Type": "Tenant", "customFields": { "DbJT6rMdnuds7vSbP": true, "5D8LYiyMt54aKD7x9": "Primary Tenant" } },
        }))
        .await
        .unwrap();
    let asked = crm.asked();
    let calls: Vec<_> =
        asked.iter().map(|asked| format!("{} {}?{}", asked.method, asked.path, asked.query)).collect();
    let expected = [
        "GET /api/contacts?page=0", // Whether the ids of custom fields are names.
        "GET /api/app/me?",
        "GET /api/contacts?page=0&email=jane%40example.com",
        "POST /api/contacts?",
    ];
    assert_eq!(calls[..4], expected);
    assert_eq!(
        serde_json::from_str::<Value>(&asked[3].body).unwrap(),
        fixtures::json("aptly/create-request.json")
    );
    insta::assert_snapshot!("aptly_create", readable(&made));
}

#[tokio::test]
async fn the_example_of_the_pipelines_create_is_sent_and_understood_as_printed() {
    let (crm, account) = canned("pipeline").await;
    let none =
        r#"{"success":true,"data":{"contacts":[],"total":0,"page":1,"size":100},"contacts":[],"total":0}"#;
    crm.tell("GET /api/contacts", &[(200, none)]);
    crm.tell("POST /api/contact", &[(200, &text("pipeline/create-answer.json"))]);
    let single = json!({ "success": true, "data": { "contact": fixtures::json("pipeline/contact.json") } })
        .to_string();
    crm.tell("GET /api/contacts/64f0a1b2c3d4e5f6a7b8c9d0", &[(200, &single)]);
    let made = account
        .create(json!({
            "firstName": "Jane", "lastName": "Doe", "emailAddresses": [{ "emailAddress": "jane.doe@example.com", "emailAddressType": "main" }],
            "phoneNumbers": [{ "phoneNumber": "+14165550100", "phoneNumberType": "primary" }],
            "remoteFields": { "status": "New Lead", "pipelineId": "64f0a1b2c3d4e5f6a7b8c9d1" },
        }))
        .await
        .unwrap();
    let asked = crm.asked();
    let calls: Vec<_> =
        asked.iter().map(|asked| format!("{} {}?{}", asked.method, asked.path, asked.query)).collect();
    assert_eq!(
        calls[..2],
        ["GET /api/contacts?page=1&size=100&ownerFilter=all&search=4165550100", "POST /api/contact?"]
    );
    assert_eq!(
        serde_json::from_str::<Value>(&asked[1].body).unwrap(),
        fixtures::json("pipeline/create-request.json")
    );
    // The thin answer says "Qualified" and "updated"; what was stored is read back.
    insta::assert_snapshot!("pipeline_create", readable(&made));
}

#[tokio::test]
async fn every_documented_spelling_of_a_contact_of_aptlys_is_read() {
    for name in named("aptly", "read-") {
        let (crm, account) = canned("aptly").await;
        crm.tell("GET /api/contacts/abc123", &[(200, &text(&format!("aptly/{name}")))]);
        crm.tell("GET /api/contacts", &[(200, EMPTY_PAGE)]);
        let read = account.get("abc123").await.unwrap();
        insta::assert_snapshot!(name.trim_end_matches(".json"), readable(&read));
    }
}

#[tokio::test]
async fn every_documented_list_is_read() {
    for (provider, name) in
        [("aptly", "list-answer.json"), ("pipeline", "list-v1.json"), ("pipeline", "list-v2.json")]
    {
        let (crm, account) = canned(provider).await;
        crm.tell("GET /api/contacts", &[(200, &text(&format!("{provider}/{name}")))]);
        let page = account.page(1, 50).await.unwrap();
        let rows: Vec<Value> = page.contacts.iter().map(|(_, contact)| shown(contact)).collect();
        assert_eq!((rows.len(), page.total), (1, Some(1)));
        insta::assert_snapshot!(
            format!("{provider}_{}", name.trim_end_matches(".json")),
            serde_json::to_string_pretty(&rows[0]).unwrap()
        );
        assert_eq!(account.count(&[]).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn the_pipelines_answers_of_change_and_removal_are_understood() {
    let (office, crm) = (Office::open().await, Canned::start().await);
    let link = Link {
        base_url: crm.base_url(),
        secret: "token",
        settings: json!({ "allowDelete": true }),
        verify: false,
    };
    let account = Account::link(&office, "pipeline", link).await;
    let path = "/api/contacts/64f0a1b2c3d4e5f6a7b8c9d0";
    let record = |first: &str| {
        let mut contact = fixtures::json("pipeline/contact.json");
        contact["firstName"] = json!(first);
        json!({ "success": true, "data": { "contact": contact } }).to_string()
    };
    crm.tell(&format!("GET {path}"), &[(200, &record("Janet")), (200, &record("Jane"))]);
    crm.tell(&format!("PATCH {path}"), &[(200, &text("pipeline/patch-answer.json"))]);
    let changed = account.update("64f0a1b2c3d4e5f6a7b8c9d0", json!({ "firstName": "Jane" })).await.unwrap();
    assert_eq!(warned(&changed), []);
    crm.tell("DELETE /api/contacts/bulk-delete", &[(200, &text("pipeline/delete-answer.json"))]);
    crm.tell(&format!("GET {path}"), &[(404, r#"{"success":false,"message":"Contact not found"}"#)]);
    account.delete("64f0a1b2c3d4e5f6a7b8c9d0").await.unwrap();
    assert_eq!(crm.asked().iter().filter(|asked| asked.method != "GET").count(), 2);
}
