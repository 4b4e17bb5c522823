//! Aptly's two spellings of a write: which one is chosen, what it keeps, and what it must not damage.

use std::time::Duration;

use contacts_gateway::domain::{CallContext, FailureKind, WarningCode};
use contacts_gateway::gateway::contacts::{ContactView, WriteOptions};
use contacts_gateway::simulators::aptly::{AptlyOptions, AptlySimulator, Dialect, Me};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use super::start;
use crate::support::account::places;
use crate::support::crm::{Crm, linked};
use crate::support::person::{ada, shown, with};
use crate::test_gateway::{Link, TestGateway, soon};

const A: &str = "+14165550171";
const B: &str = "+14165550172";
const C: &str = "+14165550173";

fn phones(entries: &[(&str, &str)]) -> Value {
    let entry = |(number, kind): &(&str, &str)| {
        if kind.is_empty() {
            json!({ "phoneNumber": number })
        } else {
            json!({ "phoneNumber": number, "phoneNumberType": kind })
        }
    };
    entries.iter().map(entry).collect()
}

/// Somebody with these numbers.
fn put(crm: &Crm, entries: &[(&str, &str)]) -> String {
    let phones: Vec<Value> =
        entries.iter().map(|(number, kind)| json!({ "number": number, "type": kind })).collect();
    crm.at
        .put(
            json!({ "firstname": "Ada", "lastname": "Byron", "email": ["ada@example.com"], "phone": phones }),
        )
        .unwrap()
}

/// Codes and pointers of warnings about the write. That version 3 shows no company of a person is no part of it.
fn warned(shown: &ContactView) -> Vec<(WarningCode, &str)> {
    let mut warned = crate::support::account::warned(shown);
    warned.retain(|warning| *warning != (WarningCode::Incomplete, "/account"));
    warned
}

fn asked(crm: &Crm) -> usize {
    crm.at.journal().calls_to("GET", "/api/app/me").len()
}

fn is_native(body: &str) -> bool {
    let body: Value = serde_json::from_str(body).unwrap();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    let native = keys.iter().any(|key| ["firstname", "lastname", "phone", "email"].contains(&key.as_str()));
    let legacy =
        keys.iter().any(|key| key.contains(' ') || ["Email", "Title", "Company"].contains(&key.as_str()));
    assert_ne!(native, legacy, "{keys:?}");
    native
}

fn formats(crm: &Crm) -> Vec<bool> {
    crm.sent().iter().map(|call| is_native(&call.body)).collect()
}

#[tokio::test]
async fn auto_writes_native_keys_where_version_3_is_seen_and_asks_once() {
    let v2 = AptlyOptions::empty;
    for (options, native) in [
        (AptlyOptions::published(), true),
        (AptlyOptions { me: Me::Account, ..v2() }, true),
        (v2(), false),
        (AptlyOptions { me: Me::NotFound, ..AptlyOptions::published() }, false),
        (AptlyOptions { me: Me::NotAllowed, ..AptlyOptions::published() }, false),
        (AptlyOptions { me: Me::OtherJson, ..AptlyOptions::published() }, false),
    ] {
        let about = format!("{:?} {:?}", options.dialect, options.me);
        let crm = start(options, json!({})).await;
        let id = put(&crm, &[(A, "work")]);
        crm.get(&id).await.unwrap();
        crm.update(&id, json!({ "firstName": "Ada" })).await.unwrap();
        assert_eq!(asked(&crm), 0, "{about}: nothing was written yet");
        crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap();
        crm.create(with(ada(), &json!({ "emailAddresses": [{ "emailAddress": "new@example.com" }] })))
            .await
            .unwrap();
        assert_eq!((formats(&crm), asked(&crm)), (vec![native; 2], 1), "{about}");
    }
    for (format, native) in [("legacy", false), ("native", true)] {
        let crm = start(AptlyOptions::published(), json!({ "writeFormat": format })).await;
        crm.create(ada()).await.unwrap();
        assert_eq!((formats(&crm), asked(&crm)), (vec![native], 0));
    }
}

#[tokio::test]
async fn where_the_version_cannot_be_told_this_write_is_legacy_and_the_next_asks_again() {
    let status =
        |code| FaultKind::Status { code, body: String::new(), content_type: String::new(), headers: vec![] };
    for fault in
        [status(500), status(403), FaultKind::HtmlBody { status: 200 }, FaultKind::ResetBeforeReading]
    {
        let crm = start(AptlyOptions::published(), json!({})).await;
        let id = put(&crm, &[(A, "work")]);
        crm.at.fault(Fault::always(fault.clone()).on("GET", "/api/app/me"));
        crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap();
        crm.at.faults().clear();
        crm.update(&id, json!({ "firstName": "Ada" })).await.unwrap();
        crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap();
        assert_eq!(formats(&crm), [false, true, true], "{fault:?}");
    }
    // Its silence takes a part of the write's time and no more.
    let crm = start(AptlyOptions::published(), json!({})).await;
    let id = put(&crm, &[(A, "work")]);
    crm.at.fault(Fault::always(FaultKind::NeverAnswer).on("GET", "/api/app/me"));
    let context = CallContext::within(Duration::from_secs(8), "test".into());
    let change = json!({ "firstName": "Augusta" });
    crm.update_within(&context, &id, change, WriteOptions::default()).await.unwrap();
    assert_eq!(formats(&crm), [false]);
}

#[tokio::test]
async fn the_answer_to_a_check_of_the_credential_tells_the_version_too() {
    let crm = start(AptlyOptions::published(), json!({})).await;
    let gateway = &crm.gateway;
    gateway.credentials.check(&soon(), &crm.gateway.caller, &crm.credential).await.unwrap().outcome.unwrap();
    crm.create(ada()).await.unwrap();
    assert_eq!((formats(&crm), asked(&crm)), (vec![true], 1));
}

#[tokio::test]
async fn a_native_create_that_stored_nothing_is_told_and_the_next_write_is_legacy() {
    let deaf = AptlyOptions { me: Me::Account, ..AptlyOptions::legacy_only() };
    let crm = start(deaf, json!({})).await;
    let first = crm.create(ada()).await.unwrap();
    let told = warned(&first);
    for pointer in ["/firstName", "/lastName", "/emailAddresses/0"] {
        assert!(told.contains(&(WarningCode::NotStored, pointer)), "{told:?}");
    }
    let second = crm.create(ada()).await.unwrap();
    assert_eq!(warned(&second), []);
    assert_eq!(shown(&second.contact)["emailAddresses"][0]["emailAddress"], "ada@example.com");
    assert_eq!((formats(&crm), asked(&crm)), (vec![true, false], 1));
    // Two addresses cannot be said any more; nobody is created empty again.
    let two = with(
        ada(),
        &json!({ "emailAddresses": [{ "emailAddress": "x@example.com" }, { "emailAddress": "y@example.com" }] }),
    );
    assert_eq!(warned(&crm.create(two).await.unwrap()), [(WarningCode::NotStored, "/emailAddresses/1")]);
}

#[tokio::test]
async fn native_keys_keep_the_order_of_numbers_and_legacy_ones_tell_that_they_do_not() {
    let sent = json!({ "phoneNumbers": phones(&[(A, "work"), (B, "mobile")]) });
    let crm = start(AptlyOptions::published(), json!({})).await;
    let made = crm.create_strictly(with(ada(), &sent)).await.unwrap();
    assert_eq!(warned(&made), []);
    assert_eq!(shown(&made.contact)["phoneNumbers"], sent["phoneNumbers"]);
    // A home number that is added stays where it was added.
    let more = json!({ "phoneNumbers": phones(&[(A, ""), (B, ""), (C, "home")]) });
    let changed = crm.update(made.contact.remote_id.as_str(), more).await.unwrap();
    assert_eq!(warned(&changed), []);
    assert_eq!(shown(&changed.contact)["phoneNumbers"], phones(&[(A, "work"), (B, "mobile"), (C, "home")]));

    for settings in [json!({}), json!({ "writeFormat": "legacy" })] {
        let crm = start(AptlyOptions::empty(), settings).await;
        let refused = crm.create_strictly(with(ada(), &sent)).await.unwrap_err();
        assert_eq!((refused.kind, places(&refused)), (FailureKind::ValidationFailed, vec!["/phoneNumbers"]));
        assert_eq!(refused.faults.iter().next().unwrap().code, "order_changed");
        crm.assert_nothing_sent();
        let made = crm.create(with(ada(), &sent)).await.unwrap();
        assert_eq!(warned(&made), [(WarningCode::OrderChanged, "/phoneNumbers")]);
        assert_eq!(shown(&made.contact)["phoneNumbers"], phones(&[(B, "mobile"), (A, "work")]));
        let id = made.contact.remote_id.as_str().to_owned();
        let added = json!({ "phoneNumbers": phones(&[(B, ""), (A, ""), (C, "home")]) });
        let changed = crm.update(&id, added.clone()).await.unwrap();
        assert_eq!(warned(&changed), []);
        let expected = phones(&[(B, "mobile"), (A, "work"), (C, "home")]);
        assert_eq!(shown(&changed.contact)["phoneNumbers"], expected);
    }
}

#[tokio::test]
async fn a_held_number_keeps_its_type_where_the_caller_sends_none() {
    for options in [AptlyOptions::published(), AptlyOptions::empty()] {
        let crm = start(options, json!({})).await;
        let id = put(&crm, &[(A, "work")]);
        let change = json!({ "phoneNumbers": phones(&[(A, ""), (B, "")]) });
        let changed = crm.update_within(&soon(), &id, change, WriteOptions { strict: true }).await.unwrap();
        assert_eq!(warned(&changed), []);
        let stored = &crm.at.contact(&id).unwrap()["phone"];
        assert_eq!(stored, &json!([{ "number": A, "type": "work" }, { "number": B, "type": "mobile" }]));
    }
}

#[tokio::test]
async fn what_legacy_keys_cannot_say_is_refused_before_it_is_damaged() {
    for held in [[(A, "mobile"), (B, "fax")], [(A, "home"), (B, "home")]] {
        let crm = start(AptlyOptions::empty(), json!({ "writeFormat": "legacy" })).await;
        let id = put(&crm, &held);
        let change = json!({ "phoneNumbers": phones(&[held[0], held[1], (C, "work")]) });
        let failure = crm.update(&id, change.clone()).await.unwrap_err();
        assert_eq!((failure.kind, places(&failure)), (FailureKind::ValidationFailed, vec!["/phoneNumbers"]));
        let detail = &failure.faults.iter().next().unwrap().detail;
        assert!(detail.contains("`native` or `auto`"), "{}", detail.as_str());
        crm.assert_nothing_sent();
        crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap();
        let native = linked(&crm.gateway, "aptly", &crm.at, json!({ "writeFormat": "native" })).await;
        native.update(&id, change).await.unwrap();
        assert_eq!(crm.at.contact(&id).unwrap()["phone"].as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn halves_of_a_full_name_are_written_together() {
    for options in [AptlyOptions::published(), AptlyOptions::empty()] {
        let crm = start(options, json!({})).await;
        let id = crm.at.put(json!({ "fullname": "Jane van Smith", "email": ["jane@example.com"] })).unwrap();
        let read = crm.get(&id).await.unwrap().contact;
        let changed = crm.update(&id, json!({ "firstName": "Janet" })).await.unwrap();
        assert_eq!(
            (changed.contact.first_name.as_deref(), &changed.contact.last_name),
            (Some("Janet"), &read.last_name)
        );
        assert!(changed.contact.last_name.is_some());
    }
}

#[tokio::test]
async fn a_row_is_found_by_the_crms_own_text() {
    for options in [AptlyOptions::published(), AptlyOptions::empty()] {
        for email in ["jane@example.com ", " JANE@example.com", "jane@example.com, js@example.com", "n/a", ""]
        {
            let crm = start(options.clone(), json!({})).await;
            let emails = if email.is_empty() { json!([]) } else { json!([email, "second@example.com"]) };
            let phones =
                json!([{ "number": "(416) 555-0171", "type": "work" }, { "number": B, "type": "fax" }]);
            let stored =
                json!({ "firstname": "Jane", "lastname": "Smith", "email": emails, "phone": phones });
            let id = crm.at.put(stored.clone()).unwrap();
            let read = crm.get(&id).await.unwrap();
            assert_eq!(
                (warned(&read).len(), read.contact.phone_numbers.len()),
                (0, 2),
                "{email:?} {:?}",
                warned(&read)
            );
            let whole = with(shown(&read.contact), &json!({ "firstName": "Janet" }));
            crm.update(&id, whole).await.unwrap();
            let now = crm.at.contact(&id).unwrap();
            assert_eq!(
                (&now["email"], &now["phone"], &now["firstname"]),
                (&stored["email"], &stored["phone"], &json!("Janet")),
                "{email:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_label_of_the_length_of_an_id_is_resolved() {
    for dialect in [Dialect::V2, Dialect::V3] {
        let crm = start(AptlyOptions { dialect, ..AptlyOptions::empty() }, json!({})).await;
        let applicant =
            json!({ "lastname": "Smith", "contactType": "Applicant", "email": ["s@example.com"] });
        crm.at.put(applicant).unwrap();
        let fields = json!({ "contactType": "Applicant", "customFields": { "ApplicationStatus": "open" } });
        let made = crm.create(with(ada(), &json!({ "remoteFields": fields }))).await.unwrap();
        assert_eq!(crm.stored(&made)["customFields"], json!({ "gR7tYu2WqXz5CvBn3": "open" }));
        assert_eq!(warned(&made), []);
    }
}

#[tokio::test]
async fn default_custom_fields_are_checked_when_the_credential_is_verified() {
    let gateway = TestGateway::open().await;
    let options = AptlyOptions { people: 100, ..AptlyOptions::published() };
    let at = AptlySimulator::start(options).await.unwrap();
    let link = async |fields: Value| {
        let settings = json!({ "createDefaults": { "customFields": fields } });
        let link = Link { base_url: at.base_url(), secret: at.token(), settings, verify: true };
        gateway.link(&gateway.caller, "aptly", link).await
    };
    let failure = link(json!({ "Shoe Size": 43 })).await.unwrap_err();
    assert_eq!(
        (failure.kind, places(&failure)),
        (FailureKind::ValidationFailed, vec!["/settings/createDefaults/customFields/Shoe Size"])
    );
    assert!(failure.faults.iter().next().unwrap().detail.contains("Occupant Role"));
    link(json!({ "Occupant Role": "Guarantor" })).await.unwrap();
    assert!(at.writes().is_empty());
}

#[tokio::test]
async fn a_type_that_was_edited_or_moved_meanwhile_stays_when_the_same_body_is_sent_again() {
    for dialect in [Dialect::V2, Dialect::V3] {
        let crm = start(AptlyOptions { dialect, ..AptlyOptions::empty() }, json!({})).await;
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        assert!(crm.at.change(&id, json!({ "contactType": "Guarantor" }).as_object().unwrap()));
        let body = shown(&crm.get(&id).await.unwrap().contact);
        let edits = [json!({ "contactType": "Tenant" }), json!({ "typeId": "tEn4ntTyp3Qw8RbZk" })];
        for edit in edits {
            assert!(crm.at.change(&id, json!({ "contactType": "Guarantor" }).as_object().unwrap()));
            tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
            let mut body = shown(&crm.get(&id).await.unwrap().contact);
            body["remoteFields"] = with(body["remoteFields"].clone(), &edit);
            for time in 1..4 {
                let told = crm.update(&id, body.clone()).await.unwrap();
                assert_eq!(
                    crm.at.contact(&id).unwrap()["contactType"],
                    "Tenant",
                    "{dialect:?} {edit} {time} {:?}",
                    warned(&told)
                );
            }
        }
        // Somebody else moves it between the read and the write.
        assert!(crm.at.change(&id, json!({ "contactType": "Vendor" }).as_object().unwrap()));
        let edited = with(body, &json!({ "firstName": "Augusta" }));
        let told = crm.update(&id, edited).await.unwrap();
        let now = crm.at.contact(&id).unwrap();
        assert_eq!(
            (&now["contactType"], &now["firstname"]),
            (&json!("Vendor"), &json!("Augusta")),
            "{:?}",
            warned(&told)
        );
    }
}

#[tokio::test]
async fn custom_fields_of_a_type_that_the_contact_no_longer_has_come_back_without_harm() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    assert!(crm.at.change(&id, json!({ "contactType": "Tenant" }).as_object().unwrap()));
    let body = with(shown(&crm.get(&id).await.unwrap().contact), &json!({ "firstName": "Augusta" }));
    assert!(
        body["remoteFields"]["customFields"].as_object().is_some_and(|fields| !fields.is_empty()),
        "{body}"
    );
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert!(crm.at.change(&id, json!({ "contactType": "Vendor" }).as_object().unwrap()));
    for _ in 0..2 {
        crm.update(&id, body.clone()).await.unwrap();
        let now = crm.at.contact(&id).unwrap();
        assert_eq!((&now["contactType"], &now["firstname"]), (&json!("Vendor"), &json!("Augusta")));
    }
}
