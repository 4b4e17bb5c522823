//! Reading one contact, in every dialect.

use contacts_gateway::domain::{FailureKind, Field, WarningCode};
use contacts_gateway::simulators::aptly::{self, Dialect, UnknownRead};
use contacts_gateway::simulators::pipeline::{self, SingleRead};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::json;

use crate::support::person::shown;
use crate::support::world::{Crm, both, both_with_people, warned};

#[tokio::test]
async fn a_contact_is_the_same_by_its_id_and_by_the_crms_own_and_in_the_list() {
    for crm in both_with_people(20).await {
        let listed = crm.page(1, 20).await.unwrap();
        for (id, row) in listed.contacts {
            let (ours, theirs) =
                (crm.get(&id).await.unwrap(), crm.get(row.remote_id.as_str()).await.unwrap());
            assert_eq!((&ours.id, shown(&ours.contact)), (&theirs.id, shown(&theirs.contact)));
            assert_eq!(ours.id, id);
            let (mut row, mut whole) = (shown(&row), shown(&ours.contact));
            for contact in [&mut row, &mut whole] {
                // Aptly's rows do not show these, and say so by a warning.
                for name in ["account", "remoteFields", "addresses"] {
                    contact[name] = json!(null);
                }
            }
            assert_eq!(row, whole);
        }
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_found_and_an_implausible_one_is_not_even_asked_for() {
    for crm in both().await {
        let failure = crm.get("nobody").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactNotFound);
        let calls = crm.at.calls().len();
        for id in ["con_abc", "a b", "../x", "", "é", &"x".repeat(65)] {
            assert_eq!(crm.get(id).await.unwrap_err().kind, FailureKind::ContactNotFound, "{id}");
        }
        assert_eq!(crm.at.calls().len(), calls);
    }
}

#[tokio::test]
async fn aptly_says_unknown_in_five_ways_and_each_is_not_found() {
    for dialect in [Dialect::V2, Dialect::V3] {
        for unknown_read in [
            UnknownRead::NotFound,
            UnknownRead::Null,
            UnknownRead::EmptyObject,
            UnknownRead::EmptyPage,
            UnknownRead::BadRequest,
        ] {
            let options = aptly::AptlyOptions { dialect, unknown_read, ..aptly::AptlyOptions::empty() };
            let crm = Crm::aptly(options, json!({})).await;
            let failure = crm.get("nobody").await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::ContactNotFound, "{dialect:?} {unknown_read:?}");
        }
    }
}

#[tokio::test]
async fn aptly_lists_and_times_are_completed_from_the_row_in_both_dialects() {
    for dialect in [Dialect::V2, Dialect::V3] {
        let several = json!({ "_id": "several", "firstname": "Ada", "lastname": "Byron", "contactType": "Tenant",
            "email": ["ada@example.com", "byron@example.com"], "company": "Engines", "title": "Countess",
            "phone": [{ "number": "+14165550277", "type": "home" }, { "number": "+14165550278", "type": "home" }],
            "address": { "street": "1 Example Street", "city": "Springfield", "state": "CA", "zip": "90000" },
            "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-06-01T09:30:00Z" });
        let options =
            aptly::AptlyOptions { dialect, contacts: vec![several], ..aptly::AptlyOptions::empty() };
        let crm = Crm::aptly(options, json!({})).await;
        let read = crm.get("several").await.unwrap();
        assert_eq!(warned(&read), []);
        let contact = shown(&read.contact);
        assert_eq!(contact["emailAddresses"].as_array().unwrap().len(), 2);
        assert_eq!(contact["phoneNumbers"][1]["phoneNumberType"], "home");
        assert_eq!(contact["remoteCreatedAt"], "2024-01-15T10:00:00.000Z");
        assert_eq!(
            (&contact["account"], &contact["addresses"][0]["postalCode"]),
            (&json!("Engines"), &json!("90000"))
        );
        assert_eq!(
            (&contact["remoteFields"]["title"], &contact["remoteFields"]["contactType"]),
            (&json!("Countess"), &json!("Tenant"))
        );
    }
}

#[tokio::test]
async fn aptly_reads_without_the_row_say_what_they_do_not_show() {
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let empty = r#"{"data":[],"count":0,"page":0,"pageSize":200}"#.to_owned();
    let fault = contacts_gateway::simulators::FaultKind::Body { text: empty };
    crm.at.fault(contacts_gateway::simulators::Fault::always(fault).on("GET", "/api/contacts"));
    let read = crm.get(&id).await.unwrap();
    let pointers = ["/emailAddresses", "/phoneNumbers", "/remoteCreatedAt", "/remoteUpdatedAt"];
    assert_eq!(warned(&read), pointers.map(|pointer| (WarningCode::Incomplete, pointer)));
    let partial: Vec<Field> = read.contact.partial.iter().collect();
    assert_eq!(partial, [Field::EmailAddresses, Field::PhoneNumbers]);
    let unseen: Vec<Field> = read.contact.unseen.iter().collect();
    assert_eq!(unseen, [Field::RemoteCreatedAt, Field::RemoteUpdatedAt]);
}

#[tokio::test]
async fn the_pipelines_undocumented_path_is_answered_as_the_design_says() {
    for (single_read, kind) in [
        (SingleRead::Present, None),
        (SingleRead::AbsentHtml, Some(FailureKind::OperationUnsupported)),
        (SingleRead::MethodNotAllowed, Some(FailureKind::OperationUnsupported)),
        (SingleRead::AbsentJson, Some(FailureKind::ContactNotFound)),
    ] {
        let crm = Crm::pipeline(
            pipeline::PipelineOptions { single_read, ..pipeline::PipelineOptions::empty() },
            json!({}),
        )
        .await;
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
    let crm = Crm::pipeline(pipeline::PipelineOptions::empty(), settings).await;
    // The path is none of the documented ones.
    crm.at.journal().watch(|_| {});
    assert_eq!(crm.get("abc").await.unwrap_err().kind, FailureKind::OperationUnsupported);
    assert_eq!(crm.at.calls()[0].path, "/api/people/abc/card");
}

#[tokio::test]
async fn members_that_no_field_consumes_are_remote_fields() {
    let crm = Crm::pipeline(pipeline::PipelineOptions::empty(), json!({})).await;
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
async fn every_adapter_is_in_this_suite() {
    let here: Vec<&str> = both().await.iter().map(|crm| crm.spec.provider.as_str()).collect();
    let all: Vec<&str> =
        contacts_gateway::adapters::ADAPTERS.iter().map(|spec| spec.provider.as_str()).collect();
    assert_eq!(here, all, "a CRM without a world in tests/support/world.rs is not tested at all");
}

#[tokio::test]
async fn another_contact_than_the_one_asked_for_is_not_passed_off_as_it() {
    for crm in both().await {
        let mine = crm.put("Ada", "Byron", "ada@example.com", "+14165550211");
        let other = json!({ "_id": "64f0a1b2c3d4e5f6a7b8c9d0", "firstName": "Bea", "phoneNumber": [] });
        let text = json!({ "data": [other], "contact": other }).to_string();
        let text =
            if crm.is("pipeline") { json!({ "data": { "contact": other } }).to_string() } else { text };
        crm.at.fault(Fault::once(FaultKind::Body { text }).on("GET", &format!("/api/contacts/{mine}")));
        assert_eq!(crm.get(&mine).await.unwrap_err().kind, FailureKind::ContactNotFound);
    }
}
