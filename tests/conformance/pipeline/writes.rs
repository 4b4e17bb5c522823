//! What only the pipeline CRM's writes have: forms of a conflict and of a response, and verified entries.

use std::time::Duration;

use contacts_gateway::domain::{FailureKind, WarningCode};
use contacts_gateway::simulators::pipeline::{
    Conflict, CreateAnswer, ListPhones, PipelineOptions, SingleRead,
};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use super::start;
use crate::support::account::{places, warned};
use crate::support::person::{ada, shown, with};
use crate::unseen::{fields_of, is_told_each_time};

#[tokio::test]
async fn every_form_of_a_conflict_is_a_contact_that_exists() {
    for conflict in [Conflict::Status409, Conflict::Status400, Conflict::Status422, Conflict::SuccessFalse] {
        let crm = start(PipelineOptions { conflict, ..PipelineOptions::empty() }, json!({})).await;
        crm.put("Neigh", "Bour", "ada@example.com", "+14165550299");
        // Somebody else makes the contact between the look-up and the create.
        crm.at.fault(Fault::once(FaultKind::Latency { ms: 1200 }).on_writes());
        let (outcome, id) = tokio::join!(crm.create(ada()), async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            crm.put("Grace", "Hopper", "grace@example.com", "+14165550277")
        });
        let failure = outcome.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactExists, "{conflict:?}");
        let candidates: Vec<_> =
            failure.candidates.iter().map(|candidate| candidate.remote_id.as_str()).collect();
        assert_eq!(candidates, [id], "the neighbour shares the e-mail alone");
    }
}

#[tokio::test]
async fn what_the_pipeline_keeps_on_surviving_entries_is_sent_back() {
    let crm = start(PipelineOptions::empty(), json!({})).await;
    let id = crm.put_rich();
    let change = json!({ "phoneNumbers": [{ "phoneNumber": "+1 (416) 555-0277", "phoneNumberType": "primary" }, { "phoneNumber": "+14165550299" }],
        "emailAddresses": [{ "emailAddress": "ADA@example.com" }, { "emailAddress": "new@example.com" }] });
    crm.update(&id, change).await.unwrap();
    let stored = crm.at.contact(&id).unwrap();
    assert_eq!(
        stored["phoneNumber"][0],
        json!({ "value": "+14165550277", "isPrimary": true, "verifiedAt": "2026-02-01T00:00:00.000Z", "verifiedBy": "u1", "verificationSource": "sms" })
    );
    assert_eq!(stored["email"][0]["verifiedAt"], "2026-01-01T00:00:00.000Z");
    assert_eq!(
        (&stored["phoneNumber"][1]["isPrimary"], stored["phoneNumber"].as_array().unwrap().len()),
        (&json!(false), 2)
    );
}

#[tokio::test]
async fn a_pipeline_without_a_single_read_cannot_change_and_says_which_setting() {
    for single_read in [SingleRead::AbsentHtml, SingleRead::MethodNotAllowed] {
        let options =
            PipelineOptions { single_read, list_phones: ListPhones::Text, ..PipelineOptions::empty() };
        let crm = start(options, json!({})).await;
        let id = crm.put_rich();
        let failure = crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::OperationUnsupported);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn defaults_fill_what_the_caller_left_open_and_give_way_to_what_he_says() {
    let renewals = "64f0a1b2c3d4e5f6a7b8cb01";
    let crm = start(
        PipelineOptions::empty(),
        json!({ "createDefaults": { "status": "Qualified", "process": "import" } }),
    )
    .await;
    let made = crm.create(ada()).await.unwrap();
    assert_eq!(
        (&crm.stored(&made)["status"], &crm.stored(&made)["process"]),
        (&json!("Qualified"), &json!("import"))
    );
    let staged = with(
        ada(),
        &json!({ "phoneNumbers": [{ "phoneNumber": "+14165550278" }], "remoteFields": { "pipelineStage": "64f0a1b2c3d4e5f6a7b8ca02" } }),
    );
    assert_eq!(crm.stored(&crm.create(staged).await.unwrap())["status"], "Contacted");
    let moved = with(
        ada(),
        &json!({ "phoneNumbers": [{ "phoneNumber": "+14165550279" }], "remoteFields": { "pipelineId": renewals } }),
    );
    assert_eq!(crm.stored(&crm.create(moved).await.unwrap())["status"], "Due");
}

#[tokio::test]
async fn every_form_of_the_create_answer_ends_in_the_whole_contact() {
    for create_answer in [
        CreateAnswer::Thin,
        CreateAnswer::AsPrinted,
        CreateAnswer::WithContact,
        CreateAnswer::Record,
        CreateAnswer::WithoutId,
    ] {
        for single_read in [SingleRead::Present, SingleRead::AbsentHtml, SingleRead::AbsentJson] {
            for create_status in [200, 201] {
                let options =
                    PipelineOptions { create_answer, single_read, create_status, ..PipelineOptions::empty() };
                let crm = start(options, json!({})).await;
                crm.put("Grace", "Byron", "ada@example.com", "+14165550288");
                let made = crm
                    .create(with(ada(), &json!({ "remoteFields": { "status": "New Lead" } })))
                    .await
                    .unwrap();
                let what = format!("{create_answer:?} {single_read:?}");
                assert_eq!(warned(&made), [], "{what}");
                let contact = shown(&made.contact);
                assert_eq!(
                    (&contact["firstName"], &contact["remoteFields"]["status"]),
                    (&json!("Ada"), &json!("New Lead")),
                    "{what}"
                );
                assert_eq!(contact["phoneNumbers"][0]["phoneNumber"], "+14165550277", "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_number_that_the_crm_cannot_hold_is_refused_before_any_write() {
    let crm = start(PipelineOptions::empty(), json!({})).await;
    for number in ["123456", "call me", "1234567890123456", "+1 415"] {
        let failure = crm
            .create(with(ada(), &json!({ "phoneNumbers": [{ "phoneNumber": number }] })))
            .await
            .unwrap_err();
        assert_eq!(places(&failure), ["/phoneNumbers/0/phoneNumber"], "{number}");
    }
    crm.assert_nothing_sent();
}

#[tokio::test]
async fn a_change_that_the_crm_overlooks_did_not_apply() {
    let options = PipelineOptions { patch_takes_names: false, ..PipelineOptions::empty() };
    let crm = start(options, json!({})).await;
    let id = crm.put_rich();
    let failure = crm.update(&id, json!({ "firstName": "Augusta", "lastName": null, "phoneNumbers": [{ "phoneNumber": "+14165550299" }] })).await.unwrap_err();
    assert_eq!(
        (failure.kind, places(&failure)),
        (FailureKind::UpstreamDidNotApply, vec!["/firstName", "/lastName"])
    );
}

#[tokio::test]
async fn a_stage_is_written_by_one_of_its_fields_and_cleared_by_another() {
    let crm = start(PipelineOptions::empty(), json!({})).await;
    let id = crm.put_rich();
    for (sent, at) in [
        (
            json!({ "status": "Qualified", "pipelineStage": "64f0a1b2c3d4e5f6a7b8ca04" }),
            vec!["/remoteFields/status", "/remoteFields/pipelineStage"],
        ),
        (json!({ "process": "other" }), vec!["/remoteFields/process"]),
        (json!({ "status": 5 }), vec!["/remoteFields/status"]),
        (json!({ "status": null }), vec!["/remoteFields/status"]),
    ] {
        assert_eq!(places(&crm.update(&id, json!({ "remoteFields": sent })).await.unwrap_err()), at);
    }
    crm.assert_nothing_sent();
    let cleared = crm.update(&id, json!({ "remoteFields": { "pipelineStage": null } })).await.unwrap();
    assert_eq!(shown(&cleared.contact)["remoteFields"]["pipelineStage"], Value::Null);
    let failure = crm
        .update(&id, json!({ "remoteFields": { "pipelineStage": "64f0a1b2c3d4e5f6a7b80000" } }))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, places(&failure)),
        (FailureKind::ValidationFailed, vec!["/remoteFields/pipelineStage"])
    );
    assert!(failure.detail.contains("64f0a1b2c3d4e5f6a7b8ca04 (Lost)"), "{}", failure.detail.as_str());
}

#[tokio::test]
async fn a_stage_is_searched_for_in_the_pipeline_that_the_write_or_the_contact_names() {
    let (renewals, due) = ("64f0a1b2c3d4e5f6a7b8cb01", "64f0a1b2c3d4e5f6a7b8cb02");
    let contacted = "64f0a1b2c3d4e5f6a7b8ca02";
    let in_renewals = json!({ "pipelineId": renewals, "pipelineStage": due, "status": "Due" });
    for (held, sent, stored) in [
        // Of the contact's own pipeline.
        (json!({}), json!({ "status": "contacted" }), Some("Contacted")),
        (json!({}), json!({ "status": "Due" }), None),
        (in_renewals.clone(), json!({ "status": "Renewed" }), Some("Renewed")),
        (in_renewals.clone(), json!({ "status": "Contacted" }), None),
        // An id may also be of the default pipeline, and of any one that is named.
        (in_renewals.clone(), json!({ "pipelineStage": contacted }), Some("Contacted")),
        (json!({}), json!({ "pipelineStage": due }), None),
        (json!({}), json!({ "pipelineStage": due, "pipelineId": renewals }), Some("Due")),
        // A pipeline that the contact is in already is no change, so it limits nothing.
        (
            in_renewals.clone(),
            json!({ "pipelineStage": contacted, "pipelineId": renewals }),
            Some("Contacted"),
        ),
        (json!({}), json!({ "status": "Renewed", "pipelineId": renewals }), Some("Renewed")),
        // A contact that shows no pipeline may be in any.
        (
            json!({ "pipelineId": null, "pipelineStage": null, "status": null }),
            json!({ "status": "Lost" }),
            Some("Lost"),
        ),
        // The CRM itself knows that there is no such pipeline.
        (json!({}), json!({ "status": "Lost", "pipelineId": "64f0a1b2c3d4e5f6a7b8ffff" }), None),
    ] {
        let crm = start(PipelineOptions::empty(), json!({})).await;
        let id = crm.at.put(with(crm.world.rich(), &held)).unwrap();
        match (crm.update(&id, json!({ "remoteFields": sent })).await, stored) {
            (Ok(_), Some(stored)) => assert_eq!(crm.at.contact(&id).unwrap()["status"], stored, "{sent}"),
            (Err(failure), None) if sent["pipelineId"] == "64f0a1b2c3d4e5f6a7b8ffff" => {
                assert_eq!(failure.kind, FailureKind::UpstreamRejected, "{sent}");
            }
            (Err(failure), None) => {
                assert_eq!(failure.kind, FailureKind::ValidationFailed, "{sent}");
                crm.assert_nothing_sent();
            }
            (outcome, _) => panic!("{held} {sent} {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_value_that_the_crm_resolves_is_one_warning_on_create_and_on_each_change() {
    let crm = start(PipelineOptions { resolves: true, ..PipelineOptions::empty() }, json!({})).await;
    is_told_each_time(&crm, &json!({ "firstName": "Jose\u{301}" }), "/firstName").await;
}

#[tokio::test]
async fn what_the_crm_sets_by_itself_is_never_told() {
    let crm = start(PipelineOptions::empty(), json!({})).await;
    let id = crm.at.put(crm.world.with_all_fields("ada1@example.com", "+14165550001")).unwrap();
    let set = json!({ "isUpdated": true, "latestMessage": { "text": "hi" }, "status": "Qualified", "pipelineStage": "64f0a1b2c3d4e5f6a7b8ca03" });
    let meanwhile = FaultKind::Meanwhile { contact: None, set: fields_of(&set) };
    crm.at.fault(Fault::once(meanwhile).on("GET", &format!("/api/contacts/{id}")).after(1));
    assert_eq!(warned(&crm.update(&id, json!({ "firstName": "Zoe" })).await.unwrap()), []);
}

#[tokio::test]
async fn an_extension_never_becomes_part_of_the_number() {
    let with_extension = |number: &str| with(ada(), &json!({ "phoneNumbers": [{ "phoneNumber": number }] }));
    for (settings, written, sent) in [
        (json!({}), "+1 416 555 0177 ext. 12", "+14165550177"),
        (json!({ "defaultRegion": "US" }), "(416) 555-0177 x12", "+14165550177"),
        (json!({}), "416 555 0177 ext. 12", "416 555 0177"),
    ] {
        let crm = start(PipelineOptions::empty(), settings).await;
        let refused = crm.create_strictly(with_extension(written)).await.unwrap_err();
        assert!(places(&refused).contains(&"/phoneNumbers/0/phoneNumber"));
        crm.assert_nothing_sent();
        let made = crm.create(with_extension(written)).await.unwrap();
        assert_eq!(crm.world.sent_number(&crm.only_body()), sent);
        assert_eq!(crm.stored(&made)["phoneNumber"][0]["value"], "+14165550177");
        let lost = (WarningCode::NotStored, "/phoneNumbers/0/phoneNumber");
        assert!(warned(&made).contains(&lost), "{:?}", made.warnings);
        // An update says the same.
        let id = made.contact.remote_id.as_str();
        let change = json!({ "phoneNumbers": [{ "phoneNumber": "+1 416 555 0188 ext. 12" }] });
        let changed = crm.update(id, change).await.unwrap();
        assert_eq!(crm.stored(&changed)["phoneNumber"][0]["value"], "+14165550188");
        assert!(warned(&changed).contains(&lost), "{:?}", changed.warnings);
    }
}
