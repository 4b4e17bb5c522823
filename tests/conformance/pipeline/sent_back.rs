//! A contact of the pipeline CRM that was read, edited and sent back: stages, primary entries, fixed numbers.

use contacts_gateway::domain::{FailureKind, WarningCode};
use contacts_gateway::gateway::contacts::ContactView;
use contacts_gateway::simulators::pipeline::PipelineOptions;
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use super::start;
use crate::sent_back::{STRICT, moves, phones, read, told};
use crate::support::account::places;
use crate::support::crm::Crm;
use crate::support::person::{ada, with};
use crate::test_gateway::soon;

const QUALIFIED: &str = "64f0a1b2c3d4e5f6a7b8ca03";
const LOST: &str = "64f0a1b2c3d4e5f6a7b8ca04";

/// The numbers that the pipeline CRM holds, and which are primary.
fn held_phones(crm: &Crm, id: &str) -> Vec<(String, bool)> {
    let record = crm.at.contact(id).unwrap();
    let entries = record["phoneNumber"].as_array().unwrap();
    let entry = |entry: &Value| (entry["value"].as_str().unwrap().to_owned(), entry["isPrimary"] == true);
    entries.iter().map(entry).collect()
}

#[tokio::test]
async fn a_stage_that_the_caller_did_not_choose_stays_where_it_was_moved_to() {
    let crm = start(PipelineOptions::empty(), json!({})).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let old = read(&crm, &id).await;
    let moved =
        json!({ "status": "Qualified", "pipelineStage": QUALIFIED, "updatedAt": "2030-01-01T00:00:00.000Z" });
    moves(&crm, &id, &moved);
    let edited = with(old.clone(), &json!({ "firstName": "Augusta" }));
    for _ in 0..2 {
        let back = crm.update_within(&soon(), &id, edited.clone(), STRICT).await.unwrap();
        assert_eq!(back.contact.first_name.as_deref(), Some("Augusta"));
        let stage = (WarningCode::ReadOnly, "/remoteFields/pipelineStage");
        assert!(told(&back).contains(&stage), "{:?}", told(&back));
        assert_eq!(crm.at.contact(&id).unwrap()["status"], "Qualified");
    }
    assert_eq!(crm.only_body(), json!({ "firstName": "Augusta" }));

    // One of the two was edited as well: which one nobody can tell, as both differ from what is held.
    let mut both_edited = edited;
    both_edited["remoteFields"]["status"] = json!("Lost");
    let failure = crm.update(&id, both_edited).await.unwrap_err();
    let both = vec!["/remoteFields/status", "/remoteFields/pipelineStage"];
    assert_eq!((failure.kind, places(&failure)), (FailureKind::ValidationFailed, both));
    assert_eq!(crm.sent().len(), 1);
}

#[tokio::test]
async fn two_fields_that_name_the_same_stage_are_written_as_one() {
    for outcome in ["same", "other", "chosen", "chosen other", "unreadable", "chosen unreadable"] {
        let crm = start(PipelineOptions::empty(), json!({})).await;
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let status = if outcome.ends_with("other") { "Contacted" } else { "Lost" };
        let fields = json!({ "status": status, "pipelineStage": LOST });
        let mut body = read(&crm, &id).await;
        body["remoteFields"] = with(body["remoteFields"].clone(), &fields);
        if outcome.starts_with("chosen") {
            body = json!({ "remoteFields": fields });
        }
        if outcome.ends_with("unreadable") {
            let (body, content_type) = ("{}".to_owned(), "application/json".to_owned());
            let missing = FaultKind::Status { code: 404, body, content_type, headers: Vec::new() };
            crm.at.fault(Fault::always(missing).on("GET", "/api/pipelines"));
        }
        match crm.update(&id, body).await {
            Ok(back) => {
                assert!(matches!(outcome, "same" | "chosen" | "unreadable"), "{outcome}");
                assert_eq!(told(&back), []);
                assert_eq!(crm.only_body(), json!({ "pipelineStage": LOST }));
                assert_eq!(crm.at.contact(&id).unwrap()["status"], "Lost");
            }
            Err(failure) => {
                assert!(
                    matches!(outcome, "other" | "chosen other" | "chosen unreadable"),
                    "{outcome} {failure:?}"
                );
                assert_eq!(places(&failure), ["/remoteFields/status", "/remoteFields/pipelineStage"]);
                crm.assert_nothing_sent();
            }
        }
    }
}

#[tokio::test]
async fn an_edit_of_one_of_two_fields_that_say_the_same_is_that_edit() {
    for field in
        [json!({ "status": "Lost" }), json!({ "pipelineStage": LOST }), json!({ "pipelineStage": null })]
    {
        let crm = start(PipelineOptions::empty(), json!({})).await;
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let mut edited = read(&crm, &id).await;
        edited["remoteFields"] = with(edited["remoteFields"].clone(), &field);
        for _ in 0..3 {
            crm.update_within(&soon(), &id, edited.clone(), STRICT).await.unwrap();
            let expected = if field["pipelineStage"].is_null() && field["status"].is_null() {
                Value::Null
            } else {
                json!("Lost")
            };
            assert_eq!(crm.at.contact(&id).unwrap()["status"], expected);
        }
        assert_eq!(crm.sent().len(), 1, "{field}");
    }
}

#[tokio::test]
async fn the_primary_number_stays_primary_unless_another_is_called_so() {
    let (a, b, c) = ("+14165550271", "+14165550272", "+14165550273");
    for (sent, primary) in [
        (vec![(a, None), (b, Some("mobile"))], a),
        (vec![(b, Some("mobile")), (a, None)], a),
        (vec![(c, None), (a, None), (b, None)], a),
        (vec![(a, None), (b, Some("primary"))], b),
        (vec![(a, Some("secondary")), (b, None)], b),
        (vec![(b, None), (c, Some("mobile"))], c),
    ] {
        let crm = start(PipelineOptions::empty(), json!({})).await;
        let id = crm.at.put(json!({ "firstName": "Ada", "lastName": "Byron", "phoneNumber": [
            { "value": a, "isPrimary": true, "verifiedAt": "2026-01-01T00:00:00.000Z", "verifiedBy": "u1", "verificationSource": "sms" },
            { "value": b, "isPrimary": false }] })).unwrap();
        crm.update(&id, phones(&sent)).await.unwrap();
        let expected: Vec<_> =
            sent.iter().map(|(number, _)| ((*number).to_owned(), *number == primary)).collect();
        assert_eq!(held_phones(&crm, &id), expected, "{sent:?}");
        let entries = crm.at.contact(&id).unwrap()["phoneNumber"].clone();
        let kept = entries.as_array().unwrap().iter().find(|entry| entry["value"] == a);
        assert!(kept.is_none_or(|kept| kept["verifiedBy"] == "u1"), "{entries}");
    }
}

#[tokio::test]
async fn the_main_address_stays_main_unless_another_is_called_so() {
    let crm = start(PipelineOptions::empty(), json!({})).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    let emails = |list: &[(&str, Option<&str>)]| {
        let email = |(address, kind): &(&str, Option<&str>)| json!({ "emailAddress": address, "emailAddressType": kind });
        json!({ "emailAddresses": list.iter().map(email).collect::<Vec<_>>() })
    };
    let main = |shown: &ContactView| {
        let emails = &shown.contact.email_addresses;
        emails
            .iter()
            .map(|email| (email.address.as_str().to_owned(), email.kind.as_deref() == Some("main")))
            .collect::<Vec<_>>()
    };
    let own = |address: &str, main: bool| (address.to_owned(), main);
    let added =
        crm.update(&id, emails(&[("ada@example.com", None), ("new@example.com", None)])).await.unwrap();
    assert_eq!(main(&added), [own("ada@example.com", true), own("new@example.com", false)]);
    let named = crm
        .update(&id, emails(&[("ada@example.com", None), ("new@example.com", Some("main"))]))
        .await
        .unwrap();
    assert_eq!(main(&named), [own("new@example.com", true), own("ada@example.com", false)]);
}

/// Ada with a number in each of the pipeline CRM's two fields.
fn put_with_secondary(crm: &Crm) -> String {
    let contact = json!({ "firstName": "Ada", "lastName": "Byron",
        "phoneNumber": [{ "value": "+14165550271", "isPrimary": true }], "secondaryPhoneNumber": ["+14165550272"] });
    crm.at.put(contact).unwrap()
}

#[tokio::test]
async fn a_number_of_the_field_that_cannot_be_written_is_left_alone() {
    let (own, fixed, new) = ("+14165550271", "+14165550272", "+14165550273");
    for (sent, warnings) in [
        (
            vec![(own, Some("primary")), (fixed, Some("secondary")), (new, None)],
            vec![(WarningCode::OrderChanged, "/phoneNumbers")],
        ),
        (vec![(own, None), (new, None), (fixed, None)], vec![]),
        (
            vec![(own, None), (new, None), (fixed, Some("home"))],
            vec![(WarningCode::NotStored, "/phoneNumbers/2/phoneNumberType")],
        ),
        (vec![(fixed, None), (own, None), (new, None)], vec![(WarningCode::OrderChanged, "/phoneNumbers")]),
    ] {
        let crm = start(PipelineOptions::empty(), json!({})).await;
        let id = put_with_secondary(&crm);
        let changed = crm.update(&id, phones(&sent)).await;
        let changed = changed.unwrap_or_else(|failure| panic!("{sent:?} {failure:?}"));
        assert_eq!(told(&changed), warnings, "{sent:?}");
        let expected = vec![(own.to_owned(), true), (new.to_owned(), false)];
        assert_eq!(held_phones(&crm, &id), expected, "{sent:?}");
        assert_eq!(crm.at.contact(&id).unwrap()["secondaryPhoneNumber"], json!([fixed]));
        let answered: Vec<_> =
            changed.contact.phone_numbers.iter().map(|phone| phone.number.as_str().to_owned()).collect();
        assert_eq!(answered, [own, new, fixed]);
        // What was answered is sent back, and nothing is left to do.
        let sent = crm.sent().len();
        let whole = read(&crm, &id).await;
        assert_eq!(told(&crm.update_within(&soon(), &id, whole, STRICT).await.unwrap()), []);
        assert_eq!(crm.sent().len(), sent);
    }
}

#[tokio::test]
async fn a_change_of_a_number_that_cannot_be_written_is_refused_before_it_is_sent() {
    let (own, fixed, new) = ("+14165550271", "+14165550272", "+14165550273");
    for (sent, at) in [
        (vec![(own, None)], "/phoneNumbers"),
        (vec![(own, None), (new, None)], "/phoneNumbers"),
        (vec![(fixed, None)], "/phoneNumbers"),
        (vec![(own, None), (fixed, Some("primary"))], "/phoneNumbers/1/phoneNumberType"),
    ] {
        let crm = start(PipelineOptions::empty(), json!({})).await;
        let id = put_with_secondary(&crm);
        let failure = crm.update(&id, phones(&sent)).await.unwrap_err();
        assert_eq!((failure.kind, places(&failure)), (FailureKind::ValidationFailed, vec![at]), "{sent:?}");
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn a_null_of_a_create_leaves_the_credentials_default_in_place() {
    let crm = start(PipelineOptions::empty(), json!({ "createDefaults": { "status": "Qualified" } })).await;
    let made = crm
        .create(with(ada(), &json!({ "remoteFields": { "status": null, "pipelineStage": null } })))
        .await
        .unwrap();
    assert_eq!(crm.stored(&made)["status"], "Qualified");
}
