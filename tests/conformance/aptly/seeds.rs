//! The examples of Aptly's document, sent and answered as printed, and every documented spelling of an answer.

use serde_json::{Value, json};

use crate::seeds::{canned, readable};
use crate::support::fixtures::{self, named, text};

const EMPTY_PAGE: &str = r#"{"data":[],"count":0,"page":0,"pageSize":200}"#;

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
async fn every_documented_spelling_of_a_contact_of_aptlys_is_read() {
    for name in named("aptly", "read-") {
        let (crm, account) = canned("aptly").await;
        crm.tell("GET /api/contacts/abc123", &[(200, &text(&format!("aptly/{name}")))]);
        crm.tell("GET /api/contacts", &[(200, EMPTY_PAGE)]);
        let read = account.get("abc123").await.unwrap();
        insta::assert_snapshot!(name.trim_end_matches(".json"), readable(&read));
    }
}
