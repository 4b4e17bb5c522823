//! The examples of the pipeline CRM's document, sent and answered as printed.

use serde_json::{Value, json};

use crate::seeds::{canned, readable};
use crate::support::account::{Account, warned};
use crate::support::canned::Canned;
use crate::support::fixtures::{self, text};
use crate::test_gateway::{Link, TestGateway};

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
    assert_eq!(calls[0], "GET /api/pipelines?type=Contact&pipelineId=64f0a1b2c3d4e5f6a7b8c9d1");
    assert_eq!(
        calls[1..3],
        ["GET /api/contacts?page=1&size=100&ownerFilter=all&search=4165550100", "POST /api/contact?"]
    );
    assert_eq!(
        serde_json::from_str::<Value>(&asked[2].body).unwrap(),
        fixtures::json("pipeline/create-request.json")
    );
    // The thin answer says "Qualified" and "updated"; what was stored is read back.
    insta::assert_snapshot!("pipeline_create", readable(&made));
}

#[tokio::test]
async fn the_pipelines_answers_of_change_and_removal_are_understood() {
    let (gateway, crm) = (TestGateway::open().await, Canned::start().await);
    let link = Link {
        base_url: crm.base_url(),
        secret: "token",
        settings: json!({ "allowDelete": true }),
        verify: false,
    };
    let account = Account::link(&gateway, "pipeline", link).await;
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
