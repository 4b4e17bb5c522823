//! Updates: only what was touched is sent, and nothing is confirmed that the CRM does not hold.

use contacts_gateway::domain::{FailureKind, Field, Retryable, WarningCode};
use contacts_gateway::gateway::contacts::WriteOptions;
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::account::{ToldApartBy, hurried, places, warned};
use crate::support::crm::{all, all_with_people};
use crate::support::person::{ada, shown, with};
use crate::test_gateway::soon;

#[tokio::test]
async fn only_touched_members_are_sent_and_only_they_change() {
    for crm in all().await {
        // Of the kind that the first number has, so that it is replaced.
        let rich = crm.put_rich();
        let kind = crm.get(&rich).await.unwrap().contact.phone_numbers[0].kind.clone();
        let phone = json!({ "phoneNumber": "+14165550299", "phoneNumberType": kind.as_deref() });
        for (change, field) in [
            (json!({ "firstName": "Augusta" }), Field::FirstName),
            (json!({ "lastName": "Lovelace" }), Field::LastName),
            (json!({ "emailAddresses": [{ "emailAddress": "new@example.com" }] }), Field::EmailAddresses),
            (json!({ "phoneNumbers": [phone] }), Field::PhoneNumbers),
        ] {
            let id = crm.put_rich();
            crm.at.journal().clear();
            let before = crm.get(&id).await.unwrap();
            let changed = crm.update(&id, change.clone()).await.unwrap();
            let body = crm.only_body();
            let names = crm.world.written_names(field);
            let sent: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(sent.contains(&names[0]), "{change} {sent:?}");
            assert!(sent.iter().all(|name| names.contains(name)), "{change} {sent:?}");
            let (mut before, mut after) = (shown(&before.contact), shown(&changed.contact));
            for name in change.as_object().unwrap().keys().map(String::as_str).chain([
                "remoteUpdatedAt",
                "updatedAt",
                "remoteFields",
            ]) {
                before[name] = Value::Null;
                after[name] = Value::Null;
            }
            assert_eq!(before, after, "{change}");
        }
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn null_and_an_empty_list_clear_and_absence_keeps() {
    for crm in all().await {
        let id = crm.put_rich();
        let clear = with(json!({ "firstName": null, "emailAddresses": [] }), &crm.world.clearable());
        let cleared = crm.update(&id, clear.clone()).await.unwrap();
        // Only rows of Aptly show the type, and a record without any text is looked for among those changed last.
        let told = warned(&cleared).into_iter().filter(|(code, _)| *code != WarningCode::Incomplete);
        assert_eq!(told.collect::<Vec<_>>(), []);
        let contact = shown(&cleared.contact);
        assert_eq!((&contact["firstName"], &contact["emailAddresses"]), (&Value::Null, &json!([])));
        let lists = ["emailAddresses", "phoneNumbers"];
        for name in clear.as_object().unwrap().keys().filter(|name| *name != "remoteFields") {
            let empty = if lists.contains(&name.as_str()) { json!([]) } else { Value::Null };
            assert_eq!(contact[name], empty, "{name}");
        }
        if clear.get("lastName").is_none() {
            assert_eq!(contact["lastName"], "Byron");
        }
        if crm.spec.field(Field::PhoneNumbers).unwrap().required {
            let failure = crm.update(&id, json!({ "phoneNumbers": [] })).await.unwrap_err();
            assert_eq!(
                (failure.kind, places(&failure)),
                (FailureKind::ValidationFailed, vec!["/phoneNumbers"])
            );
            let failure = crm.update(&id, json!({ "phoneNumbers": null })).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::ValidationFailed);
        }
        let sent = crm.sent().len();
        crm.update(&id, json!({ "firstName": null, "emailAddresses": null })).await.unwrap();
        crm.update(&id, json!({ "firstName": "", "emailAddresses": [] })).await.unwrap();
        crm.update(&id, json!({})).await.unwrap();
        assert_eq!(crm.sent().len(), sent, "what is empty already is not cleared again");
    }
}

#[tokio::test]
async fn a_contact_read_from_us_is_sent_back_whole_and_sends_nothing() {
    for crm in all_with_people(60).await {
        let rich = crm.put_rich();
        let odd = crm.world.odd_records().into_iter();
        let odd: Vec<String> = odd.map(|contact| crm.at.put(contact).unwrap()).collect();
        let listed = crm.page(1, 60).await.unwrap();
        let everybody = listed.contacts.into_iter().map(|(_, contact)| contact.remote_id.as_str().to_owned());
        for id in everybody.chain([rich]).chain(odd) {
            let read = crm.get(&id).await.unwrap();
            let whole = with(shown(&read.contact), &json!({ "id": read.id.as_str() }));
            let back = crm.update_within(&soon(), &id, whole.clone(), WriteOptions { strict: true }).await;
            let back = back.unwrap_or_else(|failure| panic!("{:?} {whole}", places(&failure)));
            assert_eq!(warned(&back), warned(&read), "{whole}");
            assert_eq!(shown(&back.contact), shown(&read.contact));
        }
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn what_is_read_only_or_has_no_home_is_warned_about_where_it_differs() {
    for crm in all().await {
        let id = crm.put_rich();
        let change = json!({ "id": "con_other", "remoteId": "other", "remoteDeleted": true, "createdAt": "2020-01-01T00:00:00.000Z",
            "addresses": [{ "city": "Elsewhere" }] });
        let answered = crm.update(&id, change).await.unwrap();
        let pointers: Vec<_> = warned(&answered).into_iter().collect();
        for expected in ["/id", "/remoteId", "/remoteDeleted", "/createdAt"] {
            assert!(pointers.contains(&(WarningCode::ReadOnly, expected)), "{expected} {pointers:?}");
        }
        assert!(pointers.contains(&(WarningCode::NotStored, "/addresses")), "{pointers:?}");
        assert_eq!(pointers.len(), 5);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn an_identity_of_another_contact_stands_in_the_way() {
    for crm in all().await {
        let other = crm.put("Grace", "Hopper", "grace@example.com", "+14165550288");
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let change = match crm.told_apart_by() {
            ToldApartBy::Email => {
                json!({ "emailAddresses": [{ "emailAddress": "ada@example.com" }, { "emailAddress": "GRACE@example.com" }] })
            }
            ToldApartBy::Phone => {
                json!({ "phoneNumbers": [{ "phoneNumber": "+14165550277" }, { "phoneNumber": "1-416-555-0288" }, { "phoneNumber": "+1 416 555 0288" }] })
            }
        };
        let failure = crm.update(&id, change).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactExists);
        assert_eq!(failure.candidates.len(), 1);
        assert_eq!(failure.candidates[0].remote_id.as_str(), other);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn an_unknown_contact_is_not_found_and_nothing_is_sent() {
    for crm in all().await {
        let failure = crm.update("nobody", ada()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactNotFound);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_judged_by_what_the_crm_holds() {
    // Not as asked afterwards, it is sent once more.
    for (fault, sent) in [
        (FaultKind::AppliedThen { status: 500 }, 1),
        (FaultKind::ResetAfterApplying, 1),
        (FaultKind::CutJson, 1),
        (FaultKind::EmptyAnswer, 1),
        (FaultKind::HtmlBody { status: 200 }, 1),
        (FaultKind::ResetBeforeReading, 2),
    ] {
        for crm in all().await {
            let id = crm.put_rich();
            crm.at.fault(Fault::once(fault.clone()).on_writes());
            let outcome = crm.update(&id, json!({ "firstName": "Augusta" })).await;
            assert!(outcome.is_ok(), "{fault:?} {:?}", outcome.err());
            assert_eq!(crm.sent().len(), sent, "{fault:?}");
        }
    }
    for crm in all().await {
        let id = crm.put_rich();
        crm.at.fault(Fault::always(FaultKind::ResetBeforeReading).on_writes());
        let failure = crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap_err();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::UpstreamUnreachable, Retryable::Yes));
        assert_eq!(crm.sent().len(), 2);
    }
    for crm in all().await {
        let id = crm.put_rich();
        crm.at.fault(Fault::always(FaultKind::NeverAnswer).on_writes());
        let outcome = crm
            .update_within(&hurried(), &id, json!({ "firstName": "Augusta" }), WriteOptions::default())
            .await;
        assert_eq!(outcome.unwrap_err().kind, FailureKind::UpstreamTimeout);
    }
}

#[tokio::test]
async fn remote_fields_are_written_by_the_allow_list_alone() {
    for crm in all().await {
        let id = crm.put_rich();
        for key in ["_id", "organizationId", "companyId", "createdAt", "__v", "nonsense", "email"] {
            let failure = crm.update(&id, json!({ "remoteFields": { key: "other" } })).await.unwrap_err();
            assert_eq!(places(&failure), [format!("/remoteFields/{key}")]);
        }
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn a_change_is_read_back_by_the_id_asked_for_whatever_the_answer_names() {
    for crm in all().await {
        let (mine, other) = (
            crm.put("Ada", "Byron", "ada@example.com", "+14165550211"),
            crm.put("Bea", "Carr", "bea@example.com", "+14165550212"),
        );
        let text =
            json!({ "success": true, "_id": other, "data": { "contact": { "_id": other } } }).to_string();
        crm.at.fault(Fault::once(FaultKind::Body { text }).on_writes());
        let shown = crm.update(&mine, json!({ "firstName": "Augusta" })).await.unwrap();
        assert_eq!(shown.contact.remote_id.as_str(), mine);
        assert_eq!(shown.contact.first_name.as_deref(), Some("Augusta"));
    }
}

#[tokio::test]
async fn a_confirmed_change_that_cannot_be_read_back_does_not_read_as_if_nothing_happened() {
    for crm in all().await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550211");
        let path = crm.world.contact_path(&id);
        let mut fault =
            Fault::once(FaultKind::TooManyRequests { retry_after: Some("60".into()) }).on("GET", &path);
        fault.skip = 1;
        crm.at.fault(fault);
        let shown = crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap();
        assert!(warned(&shown).contains(&(WarningCode::NotVerified, "")));
        // What the CRM's response showed, and nothing else.
        let shows_name = crm.world.behaviour().update_shows_names;
        assert_eq!(shown.contact.shows(Field::FirstName), shows_name);
        assert_eq!(shown.contact.first_name.as_deref(), shows_name.then_some("Augusta"));
        assert!(!shown.contact.shows(Field::PhoneNumbers) && shown.contact.phone_numbers.is_empty());
        assert!(warned(&shown).contains(&(WarningCode::Incomplete, "/phoneNumbers")));
    }
}
