//! Updates: only what was touched is sent, and nothing is confirmed that the CRM does not hold.

use std::time::Duration;

use contacts_gateway::domain::{FailureKind, Field, Retryable, WarningCode};
use contacts_gateway::gateway::contacts::WriteOptions;
use contacts_gateway::simulators::aptly::{self, Dialect, Lists, UnknownWrite};
use contacts_gateway::simulators::pipeline::{self, ListPhones, SingleRead};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Map, Value, json};

use crate::support::person::{ada, shown, with};
use crate::support::world::{Crm, both, both_with, both_with_people, hurried, places, soon, warned};

/// Ada in both CRMs, with more than one of everything; her id.
fn put_rich(crm: &Crm) -> String {
    let contact = if crm.is("aptly") {
        json!({ "_id": "rich", "firstname": "Ada", "lastname": "Byron", "company": "Engines", "contactType": "Tenant", "title": "Countess",
            "email": ["ada@example.com", "byron@example.com"], "customFields": { "5D8LYiyMt54aKD7x9": "Primary Tenant" },
            "phone": [{ "number": "+14165550277", "type": "home" }, { "number": "(416) 555-0278", "type": "work" }],
            "address": { "street": "1 Example Street", "city": "Springfield" }, "imageUrl": "https://images.example.com/a.png" })
    } else {
        json!({ "_id": "rich", "firstName": "Ada", "lastName": "Byron", "process": "import", "score": 3,
            "email": [{ "value": "byron@example.com", "isPrimary": false }, { "value": "ada@example.com", "isPrimary": true, "verifiedAt": "2026-01-01T00:00:00.000Z" }],
            "phoneNumber": [{ "value": "+14165550278", "isPrimary": false },
                { "value": "+14165550277", "isPrimary": true, "verifiedAt": "2026-02-01T00:00:00.000Z", "verifiedBy": "u1", "verificationSource": "sms" }] })
    };
    crm.at.put(contact).unwrap()
}

#[tokio::test]
async fn only_touched_members_are_sent_and_only_they_change() {
    for crm in both().await {
        for (change, keys) in [
            (json!({ "firstName": "Augusta" }), [("First Name", "firstName")]),
            (json!({ "lastName": "Lovelace" }), [("Last Name", "lastName")]),
            (json!({ "emailAddresses": [{ "emailAddress": "new@example.com" }] }), [("email", "email")]),
            (
                json!({ "phoneNumbers": [{ "phoneNumber": "+14165550299", "phoneNumberType": if crm.is("aptly") { "home" } else { "primary" } }] }),
                [("Home Phone", "phoneNumber")],
            ),
        ] {
            let id = put_rich(&crm);
            crm.at.journal().clear();
            let before = crm.get(&id).await.unwrap();
            let changed = crm.update(&id, change.clone()).await.unwrap();
            let body = crm.only_body();
            let (aptly, pipeline) = keys[0];
            let sent: Vec<_> = body
                .as_object()
                .unwrap()
                .keys()
                .filter(|key| !(crm.is("aptly") && *key == "Work Phone"))
                .collect();
            assert_eq!(sent, [if crm.is("aptly") { aptly } else { pipeline }], "{change}");
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
    for crm in both().await {
        let id = put_rich(&crm);
        let mut clear = json!({ "firstName": null, "emailAddresses": [] });
        if crm.is("aptly") {
            clear = with(
                clear,
                &json!({ "account": null, "phoneNumbers": null, "lastName": null, "remoteFields": { "title": null, "contactType": null } }),
            );
        }
        let cleared = crm.update(&id, clear).await.unwrap();
        // Only rows of Aptly show the type, and a record without any text is looked for among those changed last.
        let told = warned(&cleared).into_iter().filter(|(code, _)| *code != WarningCode::Incomplete);
        assert_eq!(told.collect::<Vec<_>>(), []);
        let contact = shown(&cleared.contact);
        assert_eq!((&contact["firstName"], &contact["emailAddresses"]), (&Value::Null, &json!([])));
        if crm.is("aptly") {
            assert_eq!(
                (&contact["account"], &contact["phoneNumbers"], &contact["lastName"]),
                (&Value::Null, &json!([]), &Value::Null)
            );
        } else {
            assert_eq!(contact["lastName"], "Byron");
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
    for crm in both_with_people(60).await {
        let rich = put_rich(&crm);
        let awkward = if crm.is("aptly") {
            vec![
                json!({ "email": ["a@example.com", "A@Example.com"], "phone": [{ "number": "+14165550261", "type": "mobile" }, { "number": "416-555-0261", "type": "mobile" }] }),
                json!({ "phone": [{ "number": "12", "type": "fax" }, { "number": "+14165550262" }], "isCompany": true, "company": "Engines" }),
                json!({ "phone": ["+14165550263"], "address": { "lines": ["x"], "city": 5 } }),
                json!({}),
            ]
        } else {
            vec![
                json!({ "phoneNumber": [] }),
                json!({ "phoneNumber": "12", "secondaryPhoneNumber": ["12", { "value": "+14165550262", "label": "boat" }] }),
                json!({ "phoneNumber": [{ "value": "+14165550263", "isPrimary": false }, { "value": "+14165550264", "isPrimary": false }],
                    "email": [{ "value": "a@example.com" }, { "value": "A@example.com" }] }),
                json!({ "phoneNumber": [{ "value": "+14165550265", "isPrimary": true }, { "value": "+14165550266", "isPrimary": true }], "email": ["b@example.com"] }),
            ]
        };
        let awkward: Vec<String> = awkward.into_iter().map(|contact| crm.at.put(contact).unwrap()).collect();
        let listed = crm.page(1, 60).await.unwrap();
        let everybody = listed.contacts.into_iter().map(|(_, contact)| contact.remote_id.as_str().to_owned());
        for id in everybody.chain([rich]).chain(awkward) {
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
    for crm in both().await {
        let id = put_rich(&crm);
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
async fn what_the_pipeline_keeps_on_surviving_entries_is_sent_back() {
    let crm = Crm::pipeline(pipeline::PipelineOptions::empty(), json!({})).await;
    let id = put_rich(&crm);
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
async fn an_identity_of_another_contact_stands_in_the_way() {
    for crm in both().await {
        let other = crm.put("Grace", "Hopper", "grace@example.com", "+14165550288");
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let change = if crm.is("aptly") {
            json!({ "emailAddresses": [{ "emailAddress": "ada@example.com" }, { "emailAddress": "GRACE@example.com" }] })
        } else {
            json!({ "phoneNumbers": [{ "phoneNumber": "+14165550277" }, { "phoneNumber": "1-416-555-0288" }, { "phoneNumber": "+1 416 555 0288" }] })
        };
        let failure = crm.update(&id, change).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactExists);
        assert_eq!(failure.candidates.len(), 1);
        assert_eq!(failure.candidates[0].remote_id.as_str(), other);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn aptly_bodies_are_legacy_or_native_and_never_mixed() {
    let native_only =
        ["firstname", "lastname", "email", "phone", "typeId", "contactType", "isCompany", "title", "company"];
    let legacy_only = [
        "First Name",
        "Last Name",
        "Email",
        "Mobile Phone",
        "Home Phone",
        "Work Phone",
        "Contact Type",
        "Title",
        "Company",
    ];
    for (format, native) in [("auto", None), ("legacy", Some(false)), ("native", Some(true))] {
        let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({ "writeFormat": format })).await;
        for (change, needs_native) in [
            (
                json!({ "firstName": "Augusta", "account": "Other", "remoteFields": { "Title": "Lady", "contactType": "Owner" } }),
                false,
            ),
            (
                json!({ "emailAddresses": [{ "emailAddress": "x@example.com" }, { "emailAddress": "y@example.com" }], "lastName": "L" }),
                true,
            ),
            (
                json!({ "phoneNumbers": [{ "phoneNumber": "+14165550291", "phoneNumberType": "work" }, { "phoneNumber": "+14165550292", "phoneNumberType": "office" }], "lastName": "L" }),
                true,
            ),
        ] {
            let id = put_rich(&crm);
            crm.at.journal().clear();
            let outcome = crm.update(&id, change.clone()).await;
            let body: Map<String, Value> = crm.only_body().as_object().unwrap().clone();
            let has = |keys: &[&str]| keys.iter().any(|key| body.contains_key(*key));
            assert_ne!(has(&native_only), has(&legacy_only), "{format} {body:?}");
            assert_eq!(has(&native_only), native.unwrap_or(needs_native), "{format} {change}");
            if native == Some(false) && needs_native {
                let told = outcome.map_or_else(
                    |failure| failure.kind == FailureKind::UpstreamDidNotApply,
                    |done| !done.warnings.is_empty(),
                );
                assert!(told, "what legacy keys cannot say is told");
            } else {
                outcome.unwrap();
            }
        }
    }
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({ "writeFormat": "legacy" })).await;
    let id = put_rich(&crm);
    let failure = crm.update(&id, json!({ "remoteFields": { "isCompany": true } })).await.unwrap_err();
    assert_eq!(places(&failure), ["/remoteFields/isCompany"]);
}

#[tokio::test]
async fn a_change_that_the_crm_overlooks_did_not_apply() {
    let deaf = aptly::AptlyOptions { native_keys: false, ..aptly::AptlyOptions::empty() };
    let [aptly, pipeline] = both_with(
        deaf,
        pipeline::PipelineOptions { patch_takes_names: false, ..pipeline::PipelineOptions::empty() },
    )
    .await;
    let id = put_rich(&aptly);
    let emails = json!({ "emailAddresses": [{ "emailAddress": "x@example.com" }, { "emailAddress": "y@example.com" }] });
    let failure = aptly.update(&id, emails).await.unwrap_err();
    assert_eq!(
        (failure.kind, places(&failure)),
        (FailureKind::UpstreamDidNotApply, vec!["/emailAddresses/0", "/emailAddresses/1"])
    );
    let id = put_rich(&pipeline);
    let failure = pipeline.update(&id, json!({ "firstName": "Augusta", "lastName": null, "phoneNumbers": [{ "phoneNumber": "+14165550299" }] })).await.unwrap_err();
    assert_eq!(
        (failure.kind, places(&failure)),
        (FailureKind::UpstreamDidNotApply, vec!["/firstName", "/lastName"])
    );

    let merging = aptly::AptlyOptions { lists: Lists::Merge, ..aptly::AptlyOptions::empty() };
    let keeping = aptly::AptlyOptions { empty_clears: false, ..aptly::AptlyOptions::empty() };
    for (options, change, at) in [
        (merging, json!({ "emailAddresses": [{ "emailAddress": "x@example.com" }] }), "/emailAddresses"),
        (keeping.clone(), json!({ "emailAddresses": [] }), "/emailAddresses"),
        (keeping, json!({ "firstName": null }), "/firstName"),
        (
            aptly::AptlyOptions { unknown_write: UnknownWrite::Ignored, ..aptly::AptlyOptions::empty() },
            json!({ "firstName": "x" }),
            "",
        ),
    ] {
        let crm = Crm::aptly(options, json!({})).await;
        let id = put_rich(&crm);
        if at.is_empty() {
            // Taken out between our reading and our writing.
            crm.at.fault(Fault::once(FaultKind::Latency { ms: 1200 }).on_writes());
            let (outcome, gone) = tokio::join!(crm.update(&id, change), async {
                tokio::time::sleep(Duration::from_millis(600)).await;
                crm.at.take_out(&id)
            });
            assert!(gone && outcome.unwrap_err().kind == FailureKind::UpstreamDidNotApply);
        } else {
            let failure = crm.update(&id, change).await.unwrap_err();
            assert_eq!((failure.kind, places(&failure)), (FailureKind::UpstreamDidNotApply, vec![at]));
        }
    }
}

#[tokio::test]
async fn an_unknown_contact_is_not_found_and_nothing_is_sent() {
    for unknown_write in [UnknownWrite::NotFound, UnknownWrite::FallsThrough, UnknownWrite::Creates] {
        let options = aptly::AptlyOptions { unknown_write, ..aptly::AptlyOptions::empty() };
        for crm in both_with(options, pipeline::PipelineOptions::empty()).await {
            let failure = crm.update("nobody", ada()).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::ContactNotFound);
            crm.assert_nothing_sent();
        }
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
        for crm in both().await {
            let id = put_rich(&crm);
            crm.at.fault(Fault::once(fault.clone()).on_writes());
            let outcome = crm.update(&id, json!({ "firstName": "Augusta" })).await;
            assert!(outcome.is_ok(), "{fault:?} {:?}", outcome.err());
            assert_eq!(crm.sent().len(), sent, "{fault:?}");
        }
    }
    for crm in both().await {
        let id = put_rich(&crm);
        crm.at.fault(Fault::always(FaultKind::ResetBeforeReading).on_writes());
        let failure = crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap_err();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::UpstreamUnreachable, Retryable::Yes));
        assert_eq!(crm.sent().len(), 2);
    }
    for crm in both().await {
        let id = put_rich(&crm);
        crm.at.fault(Fault::always(FaultKind::NeverAnswer).on_writes());
        let outcome = crm
            .update_within(&hurried(), &id, json!({ "firstName": "Augusta" }), WriteOptions::default())
            .await;
        assert_eq!(outcome.unwrap_err().kind, FailureKind::UpstreamTimeout);
    }
}

#[tokio::test]
async fn remote_fields_are_written_by_the_allow_list_alone() {
    for crm in both().await {
        let id = put_rich(&crm);
        for key in ["_id", "organizationId", "companyId", "createdAt", "__v", "nonsense", "email"] {
            let failure = crm.update(&id, json!({ "remoteFields": { key: "other" } })).await.unwrap_err();
            assert_eq!(places(&failure), [format!("/remoteFields/{key}")]);
        }
        crm.assert_nothing_sent();
    }
    let crm = Crm::pipeline(pipeline::PipelineOptions::empty(), json!({})).await;
    let id = put_rich(&crm);
    for (sent, at) in [
        (
            json!({ "status": "Lost", "pipelineStage": "64f0a1b2c3d4e5f6a7b8ca04" }),
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
        (FailureKind::UpstreamRejected, vec!["/remoteFields/pipelineStage"])
    );
}

#[tokio::test]
async fn custom_fields_go_by_id_and_by_their_name_where_it_is_unambiguous() {
    for dialect in [Dialect::V2, Dialect::V3] {
        let crm = Crm::aptly(
            aptly::AptlyOptions { dialect, people: 100, ..aptly::AptlyOptions::empty() },
            json!({}),
        )
        .await;
        let id = put_rich(&crm);
        let by_name = json!({ "remoteFields": { "customFields": { "named on lease": true } } });
        crm.update(&id, by_name).await.unwrap();
        assert_eq!(crm.only_body(), json!({ "customFields": { "DbJT6rMdnuds7vSbP": true } }));
        let read = shown(&crm.get(&id).await.unwrap().contact);
        let mut custom = read["remoteFields"]["customFields"].clone();
        custom["5D8LYiyMt54aKD7x9"]["value"] = json!("Guarantor");
        crm.at.journal().clear();
        crm.update(&id, json!({ "remoteFields": { "customFields": custom } })).await.unwrap();
        assert_eq!(
            crm.only_body(),
            json!({ "customFields": { "5D8LYiyMt54aKD7x9": "Guarantor" } }),
            "of an enriched one the value"
        );
        let failure = crm
            .update(&id, json!({ "remoteFields": { "customFields": { "Shoe Size": 43 } } }))
            .await
            .unwrap_err();
        assert_eq!(places(&failure), ["/remoteFields/customFields/Shoe Size"]);
        assert!(failure.detail.contains("Occupant Role"), "the valid ones are listed");
        let failure = crm
            .update(&id, json!({ "remoteFields": { "customFields": { "Lp6kJh9GfDs3QwEr7": "x" } } }))
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind, places(&failure)),
            (FailureKind::UpstreamRejected, vec!["/remoteFields/customFields"])
        );

        // Where nobody has the field yet, its name is looked for among the contacts of the list.
        crm.at.journal().clear();
        let named = with(
            ada(),
            &json!({ "emailAddresses": [], "remoteFields": { "contactType": "Owner", "customFields": { "Units Owned": 3 } } }),
        );
        let made = crm.create(named).await.unwrap();
        assert_eq!(crm.stored(&made)["customFields"]["Hq2nWc7RtYb4ZkLx8"], 3);
    }
}

#[tokio::test]
async fn long_numbers_are_told_apart_and_written_to_the_last_digit() {
    use contacts_gateway::domain::{ContactPatch, RawJson, RemoteFields};
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
    let id = put_rich(&crm);
    let number = "123456789012345678901234567890";
    let custom = |digits: &str| format!(r#"{{"DbJT6rMdnuds7vSbP":{digits}}}"#);
    let field = |digits: &str| {
        format!(
            r#"{{"DbJT6rMdnuds7vSbP":{{"name":"Named On Lease","dataType":"number","optional":true,"value":{digits}}}}}"#
        )
    };
    let row = |digits: &str| {
        format!(
            r#"{{"_id":"{id}","firstname":"Ada","email":[],"phone":[],"createdAt":"2024-01-15T10:00:00Z","customFields":{}}}"#,
            field(digits)
        )
    };
    crm.at.fault(Fault::always(FaultKind::Body { text: row(number) }).on("GET", "/api/contacts/*"));
    let write = async |digits: &str| {
        let remote_fields =
            RemoteFields(vec![("customFields".into(), RawJson::from_validated(custom(digits).into()))]);
        let patch = ContactPatch { remote_fields, ..ContactPatch::default() };
        let (request, shown) = crm.request(&soon(), WriteOptions::default());
        crm.contacts().update(request, &id, patch).await.map(|_| shown.take())
    };
    let same = write(number).await.unwrap();
    assert!(same.contact.remote_fields.get("customFields").unwrap().as_str().contains(number));
    write("1.23456789012345678901234567890e29").await.unwrap();
    crm.assert_nothing_sent();
    let other = "123456789012345678901234567891";
    assert_eq!(
        write(other).await.unwrap_err().kind,
        FailureKind::UpstreamDidNotApply,
        "the canned reading shows the old one"
    );
    assert!(crm.sent()[0].body.contains(other), "{}", crm.sent()[0].body);
}

#[tokio::test]
async fn a_pipeline_without_a_single_read_cannot_change_and_says_which_setting() {
    for single_read in [SingleRead::AbsentHtml, SingleRead::MethodNotAllowed] {
        let options = pipeline::PipelineOptions {
            single_read,
            list_phones: ListPhones::Text,
            ..pipeline::PipelineOptions::empty()
        };
        let crm = Crm::pipeline(options, json!({})).await;
        let id = put_rich(&crm);
        let failure = crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::OperationUnsupported);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn a_change_is_read_back_by_the_id_asked_for_whatever_the_answer_names() {
    for crm in both().await {
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
    for crm in both().await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550211");
        let path = format!("/api/contacts/{id}");
        let mut fault =
            Fault::once(FaultKind::TooManyRequests { retry_after: Some("60".into()) }).on("GET", &path);
        fault.skip = 1;
        crm.at.fault(fault);
        let shown = crm.update(&id, json!({ "firstName": "Augusta" })).await.unwrap();
        assert!(warned(&shown).contains(&(WarningCode::NotVerified, "")));
        // What the CRM's response showed, and nothing else: Aptly's shows nothing.
        let shows_name = !crm.is("aptly");
        assert_eq!(shown.contact.shows(Field::FirstName), shows_name);
        assert_eq!(shown.contact.first_name.as_deref(), shows_name.then_some("Augusta"));
        assert!(!shown.contact.shows(Field::PhoneNumbers) && shown.contact.phone_numbers.is_empty());
        assert!(warned(&shown).contains(&(WarningCode::Incomplete, "/phoneNumbers")));
    }
}

#[tokio::test]
async fn somebody_without_a_name_does_not_get_that_of_the_company() {
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
    let id = put_rich(&crm);
    let shown = crm.update(&id, json!({ "firstName": null, "lastName": null })).await.unwrap();
    assert!(shown.contact.first_name.is_none() && shown.contact.last_name.is_none());
    assert!(shown.contact.account.is_some());
}

#[tokio::test]
async fn a_lost_answer_is_no_success_where_the_change_cannot_be_seen() {
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
    let id = put_rich(&crm);
    let fault =
        FaultKind::Status { code: 500, body: String::new(), content_type: String::new(), headers: vec![] };
    crm.at.fault(Fault::next(2, fault).on_writes());
    let change = json!({ "remoteFields": { "imageUrl": "https://example.com/new.png" } });
    assert_eq!(crm.update(&id, change).await.unwrap_err().kind, FailureKind::UpstreamError);
    assert_eq!(crm.sent().len(), 2);
}
