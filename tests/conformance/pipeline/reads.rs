//! What only the pipeline CRM's readings have: an undocumented path, and fields of its own.

use contacts_gateway::domain::FailureKind;
use contacts_gateway::simulators::pipeline::{PipelineOptions, SingleRead};
use serde_json::json;

use super::start;
use crate::support::person::{ada, shown};

#[tokio::test]
async fn the_pipelines_undocumented_path_is_answered_as_the_design_says() {
    for (single_read, kind) in [
        (SingleRead::Present, None),
        (SingleRead::AbsentHtml, Some(FailureKind::OperationUnsupported)),
        (SingleRead::MethodNotAllowed, Some(FailureKind::OperationUnsupported)),
        (SingleRead::AbsentJson, Some(FailureKind::ContactNotFound)),
    ] {
        let crm = start(PipelineOptions { single_read, ..PipelineOptions::empty() }, json!({})).await;
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let outcome = crm.get(&id).await;
        assert_eq!(outcome.as_ref().err().map(|failure| failure.kind), kind, "{single_read:?}");
        if kind == Some(FailureKind::OperationUnsupported) {
            assert!(outcome.unwrap_err().detail.contains("getPath"));
        }
    }
}

#[tokio::test]
async fn a_get_path_of_the_settings_is_used_with_the_id_as_one_segment() {
    let settings = json!({ "getPath": "/api/people/{id}/card" });
    let crm = start(PipelineOptions::empty(), settings).await;
    // The path is none of the documented ones.
    crm.at.journal().watch(|_| {});
    assert_eq!(crm.get("abc").await.unwrap_err().kind, FailureKind::OperationUnsupported);
    assert_eq!(crm.at.calls()[0].path, "/api/people/abc/card");
}

#[tokio::test]
async fn members_that_no_field_consumes_are_remote_fields() {
    let crm = start(PipelineOptions::empty(), json!({})).await;
    let id = crm.at.put(json!({ "firstName": "Ada", "phoneNumber": "+14165550277", "secondaryPhoneNumber": ["+14165550278"],
        "email": [{ "value": "second@example.com", "isPrimary": false }, { "value": "main@example.com", "isPrimary": true, "verifiedAt": "2026-01-01T00:00:00.000Z" }],
        "score": 3, "lastMessageTime": "2026-01-02T03:04:05.000Z" })).unwrap();
    let contact = shown(&crm.get(&id).await.unwrap().contact);
    assert_eq!(contact["lastName"], json!(null));
    assert_eq!(
        contact["phoneNumbers"],
        json!([
        { "phoneNumber": "+14165550277", "phoneNumberType": "primary" }, { "phoneNumber": "+14165550278", "phoneNumberType": "secondary" }])
    );
    assert_eq!(
        contact["emailAddresses"][0],
        json!({ "emailAddress": "main@example.com", "emailAddressType": "main" })
    );
    assert_eq!(contact["lastActivityAt"], "2026-01-02T03:04:05.000Z");
    for name in ["score", "status", "pipelineId", "assignees", "email"] {
        assert!(contact["remoteFields"].get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_contact_that_was_found_in_the_list_has_no_tag() {
    let options = PipelineOptions { single_read: SingleRead::AbsentHtml, ..PipelineOptions::empty() };
    let crm = start(options, json!({})).await;
    let created = crm.create(ada()).await.unwrap();
    assert_eq!(created.contact.first_name.as_deref(), Some("Ada"));
    assert_eq!(created.tag, None, "it was found in the list");
}
