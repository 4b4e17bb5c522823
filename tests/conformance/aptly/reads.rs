//! What only Aptly's readings have: two dialects, rows that complete a single read, five ways to say unknown.

use contacts_gateway::domain::{FailureKind, Field, WarningCode};
use contacts_gateway::simulators::aptly::{AptlyOptions, Dialect, UnknownRead};
use contacts_gateway::simulators::{Fault, Reading, View};
use serde_json::json;

use super::start;
use crate::failures::status;
use crate::support::account::warned;
use crate::support::person::shown;
use crate::test_gateway::soon;

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
            let options = AptlyOptions { dialect, unknown_read, ..AptlyOptions::empty() };
            let crm = start(options, json!({})).await;
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
        let options = AptlyOptions { dialect, contacts: vec![several], ..AptlyOptions::empty() };
        let crm = start(options, json!({})).await;
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
    let crm = start(AptlyOptions::empty(), json!({})).await;
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
async fn a_row_without_an_id_does_not_keep_a_contact_from_being_read() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    crm.at.view(View::of(Reading::Row).without(&["_id"]));
    assert_eq!(crm.get(&id).await.unwrap().contact.first_name.as_deref(), Some("Ada"));
}

#[tokio::test]
async fn an_aptly_without_the_account_route_is_probed_by_its_list() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    crm.at.fault(Fault::always(status(404, "")).on("GET", "/api/app/me"));
    let credentials = &crm.gateway.credentials;
    let account =
        credentials.check(&soon(), &crm.gateway.caller, &crm.credential).await.unwrap().outcome.unwrap();
    assert_eq!((account.id, account.name), (None, None));
}
