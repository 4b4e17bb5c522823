//! Removal: refused where the CRM has none or the credential forbids it, precise where it is allowed.

use contacts_gateway::domain::FailureKind;
use contacts_gateway::simulators::pipeline::{PipelineOptions, SingleRead};
use contacts_gateway::simulators::{Fault, FaultKind, WriteEffect};
use serde_json::{Value, json};

use super::start;
use crate::support::account::Account;
use crate::support::canned::Canned;
use crate::support::crm::Crm;
use crate::test_gateway::{Link, TestGateway};

async fn allowed(options: PipelineOptions) -> Crm {
    start(options, json!({ "allowDelete": true })).await
}

#[tokio::test]
async fn removal_is_off_unless_the_credential_allows_it() {
    let crm = start(PipelineOptions::empty(), json!({})).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let failure = crm.delete(&id).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::DeleteNotAllowed);
    assert!(failure.detail.contains("allowDelete"));
    crm.assert_silence();
}

#[tokio::test]
async fn a_removal_names_exactly_one_contact() {
    let crm = allowed(PipelineOptions { people: 5, ..PipelineOptions::empty() }).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    crm.delete(&id).await.unwrap();
    assert_eq!(crm.only_body(), json!({ "contactIds": [id] }));
    assert_eq!(crm.at.writes()[0].applied, WriteEffect::Deleted(vec![id.clone()]));
    assert_eq!(crm.at.contacts().len(), 5);
    assert_eq!(crm.delete(&id).await.unwrap_err().kind, FailureKind::ContactNotFound, "nobody was removed");
    crm.assert_no_alarm();
}

#[tokio::test]
async fn a_removal_that_left_the_contact_there_did_not_apply() {
    let crm = allowed(PipelineOptions::empty()).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let body = r#"{"message":"1 contacts deleted successfully","deletedCount":1}"#;
    let fault = FaultKind::Status {
        code: 200,
        body: body.into(),
        content_type: "application/json".into(),
        headers: vec![],
    };
    crm.at.fault(Fault::once(fault).on_writes());
    assert_eq!(crm.delete(&id).await.unwrap_err().kind, FailureKind::UpstreamDidNotApply);
}

#[tokio::test]
async fn a_removal_is_confirmed_by_the_crm_where_nobody_can_be_read() {
    let crm =
        allowed(PipelineOptions { single_read: SingleRead::AbsentHtml, ..PipelineOptions::empty() }).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    crm.delete(&id).await.unwrap();
    assert!(crm.at.contact(&id).is_none());
}

#[tokio::test]
async fn a_removal_whose_answer_was_lost_is_judged_by_reading() {
    for fault in [
        FaultKind::AppliedThen { status: 500 },
        FaultKind::ResetAfterApplying,
        FaultKind::NoContent,
        FaultKind::EmptyAnswer,
        FaultKind::CutJson,
    ] {
        let crm = allowed(PipelineOptions::empty()).await;
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        crm.at.fault(Fault::once(fault.clone()).on_writes());
        crm.delete(&id).await.unwrap_or_else(|failure| panic!("{fault:?}: {}", failure.detail.as_str()));
        assert_eq!(crm.sent().len(), 1, "{fault:?}");
    }
    let crm = allowed(PipelineOptions::empty()).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let fault =
        FaultKind::Status { code: 500, body: String::new(), content_type: String::new(), headers: vec![] };
    // Still there after a lost answer, it is sent once more and no more.
    crm.at.fault(Fault::once(fault.clone()).on_writes());
    crm.delete(&id).await.unwrap();
    assert_eq!(crm.sent().len(), 2);
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    crm.at.fault(Fault::always(fault).on_writes());
    assert_eq!(crm.delete(&id).await.unwrap_err().kind, FailureKind::UpstreamError);
    assert_eq!(crm.sent().len(), 4);
}

#[tokio::test]
async fn a_delete_path_of_the_settings_is_called_with_the_id_alone() {
    let gateway = TestGateway::open().await;
    let crm = Canned::start().await;
    let settings = json!({ "allowDelete": true, "deletePath": "/api/contacts/{id}/remove" });
    let link = Link { base_url: crm.base_url(), secret: "token", settings, verify: false };
    let account = Account::link(&gateway, "pipeline", link).await;
    for (status, body, kind) in [
        (204, "", None),
        (200, r#"{"success":true}"#, None),
        (404, r#"{"message":"Contact not found"}"#, Some(FailureKind::ContactNotFound)),
        (405, "{}", Some(FailureKind::OperationUnsupported)),
        (409, "{}", Some(FailureKind::ContactExists)),
    ] {
        crm.tell("GET /api/contacts/abc", &[(200, r#"{"_id":"abc","phoneNumber":[]}"#), (404, "{}")]);
        crm.tell("DELETE /api/contacts/abc/remove", &[(status, body)]);
        let outcome = account.delete("abc").await;
        assert_eq!(outcome.err().map(|failure| failure.kind), kind, "{status}");
    }
    let asked = crm.asked();
    let first = asked.iter().find(|asked| asked.method == "DELETE").unwrap();
    assert_eq!(
        (first.method.as_str(), first.path.as_str(), first.body.as_str()),
        ("DELETE", "/api/contacts/abc/remove", "")
    );
    assert!(crm.asked().iter().all(|asked| serde_json::from_str::<Value>(&asked.body).is_err()));
}

#[tokio::test]
async fn a_delete_path_never_becomes_another_route_by_its_id() {
    let settings = json!({ "allowDelete": true, "deletePath": "/api/contacts/{id}" });
    let crm = start(PipelineOptions { people: 3, ..PipelineOptions::empty() }, settings).await;
    for id in ["query-bulk-delete", "bulk-delete", "status"] {
        assert_eq!(crm.delete(id).await.unwrap_err().kind, FailureKind::ContactNotFound, "{id}");
    }
    assert_eq!((crm.at.contacts().len(), crm.at.writes().len()), (3, 0));
    assert!(crm.at.journal().alarms().is_empty(), "{:?}", crm.at.journal().alarms());
}
