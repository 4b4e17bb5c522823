//! What only Aptly's writes have: two spellings, custom fields, and responses that show nothing.

use std::time::Duration;

use contacts_gateway::domain::{Effect, FailureKind, WarningCode};
use contacts_gateway::gateway::contacts::WriteOptions;
use contacts_gateway::simulators::aptly::{AptlyOptions, ByEmail, Dialect, Lists, UnknownWrite};
use contacts_gateway::simulators::{Fault, FaultKind, Reading, View};
use serde_json::{Map, Value, json};

use super::start;
use crate::support::account::{places, warned};
use crate::support::person::{ada, shown, with};
use crate::test_gateway::soon;
use crate::unseen::{is_told_each_time, stored};

#[tokio::test]
async fn a_relative_is_not_passed_off_as_the_contact_just_created() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    let relative = json!({ "firstname": "Grace", "lastname": "Hopper", "phone": [{ "number": "+14165550277", "type": "mobile" }],
        "createdAt": "2024-01-15T10:00:00Z", "updatedAt": "2024-01-15T10:00:00Z" });
    let _ = crm.at.put(relative).unwrap();
    let nothing = FaultKind::Status {
        code: 200,
        body: "{}".into(),
        content_type: "application/json".into(),
        headers: vec![],
    };
    crm.at.fault(Fault::always(nothing).on_writes());
    for first in ["Ada", "Grace"] {
        let created = with(ada(), &json!({ "firstName": first, "lastName": "Hopper", "emailAddresses": [] }));
        let failure = crm.create(created).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::OutcomeUnknown, Effect::Unknown), "{first}");
    }
    assert_eq!(crm.at.contacts().len(), 1);
}

#[tokio::test]
async fn another_writer_in_between_shows_in_a_warning() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    for created in [json!("2024-01-15T10:00:00Z"), Value::Null] {
        crm.at.fault(Fault::once(FaultKind::Latency { ms: 2500 }).on_writes());
        let other = json!({ "firstname": "Grace", "email": ["ada@example.com"], "createdAt": created, "title": "Admiral" });
        let (outcome, id) = tokio::join!(crm.create(ada()), async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            crm.at.put(other).unwrap()
        });
        let made = outcome.unwrap();
        assert_eq!(made.contact.remote_id.as_str(), id);
        assert_eq!(warned(&made), [(WarningCode::MayHaveUpdatedExisting, "/remoteId")]);
        assert!(made.warnings[0].message.contains(id.as_str()));
        assert!(crm.at.take_out(&id));
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
        let crm = start(AptlyOptions::empty(), json!({ "writeFormat": format })).await;
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
            let id = crm.put_rich();
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
    let crm = start(AptlyOptions::empty(), json!({ "writeFormat": "legacy" })).await;
    let id = crm.put_rich();
    let failure = crm.update(&id, json!({ "remoteFields": { "isCompany": true } })).await.unwrap_err();
    assert_eq!(places(&failure), ["/remoteFields/isCompany"]);
}

#[tokio::test]
async fn custom_fields_go_by_id_and_by_their_name_where_it_is_unambiguous() {
    for dialect in [Dialect::V2, Dialect::V3] {
        let crm = start(AptlyOptions { dialect, people: 100, ..AptlyOptions::empty() }, json!({})).await;
        let id = crm.put_rich();
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
    let crm = start(AptlyOptions::empty(), json!({})).await;
    let id = crm.put_rich();
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
async fn somebody_without_a_name_does_not_get_that_of_the_company() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    let id = crm.put_rich();
    let shown = crm.update(&id, json!({ "firstName": null, "lastName": null })).await.unwrap();
    assert!(shown.contact.first_name.is_none() && shown.contact.last_name.is_none());
    assert!(shown.contact.account.is_some());
}

#[tokio::test]
async fn a_lost_answer_is_no_success_where_the_change_cannot_be_seen() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    let id = crm.put_rich();
    let fault =
        FaultKind::Status { code: 500, body: String::new(), content_type: String::new(), headers: vec![] };
    crm.at.fault(Fault::next(2, fault).on_writes());
    let change = json!({ "remoteFields": { "imageUrl": "https://example.com/new.png" } });
    assert_eq!(crm.update(&id, change).await.unwrap_err().kind, FailureKind::UpstreamError);
    assert_eq!(crm.sent().len(), 2);
}

#[tokio::test]
async fn a_list_that_is_shown_in_part_is_replaced_only_if_the_rest_can_be_read() {
    let options = AptlyOptions { dialect: Dialect::V3, ..AptlyOptions::empty() };
    let crm = start(options, json!({})).await;
    let phones =
        json!([{ "number": "+14165550277", "type": "work" }, { "number": "+14165550278", "type": "home" }]);
    let contact = json!({ "_id": "rich", "firstname": "Ada", "lastname": "Byron", "email": ["ada@example.com"], "phone": phones });
    let id = crm.at.put(contact).unwrap();
    // The row cannot be found: only the first number is seen.
    crm.at.view(View::of(Reading::Row).with("_id", json!("other")));
    let seen = crm.get(&id).await.unwrap();
    let first = &seen.contact.phone_numbers[0];
    let shown = json!([{ "phoneNumber": first.number.as_str(), "phoneNumberType": first.kind.as_deref() }]);
    crm.at.journal().clear();
    let same = crm.update(&id, json!({ "phoneNumbers": shown })).await.unwrap();
    assert_eq!(same.contact.phone_numbers.len(), 1);
    crm.assert_nothing_sent();
    let failure =
        crm.update(&id, json!({ "phoneNumbers": [{ "phoneNumber": "+14165550299" }] })).await.unwrap_err();
    assert_eq!(
        (failure.kind, places(&failure)),
        (FailureKind::UpstreamInvalidResponse, vec!["/phoneNumbers"])
    );
    crm.assert_nothing_sent();
    // Another field is changed, and the list that is sent back with it stays.
    let whole = json!({ "firstName": "Augusta", "phoneNumbers": shown });
    let _ = crm.update(&id, whole.clone()).await.unwrap();
    assert_eq!((stored(&crm, &id, "phone"), stored(&crm, &id, "firstname")), (phones, json!("Augusta")));
}

#[tokio::test]
async fn the_key_of_a_refused_change_of_a_part_is_released() {
    let options = AptlyOptions { dialect: Dialect::V3, ..AptlyOptions::empty() };
    let crm = start(options, json!({})).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    crm.at.view(View::of(Reading::Row).with("_id", json!("other")));
    let change = json!({ "phoneNumbers": [{ "phoneNumber": "+14165550299" }] });
    let refused = crm.keyed("k").update(&id, change.clone()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::UpstreamInvalidResponse);
    crm.at.views().clear();
    let changed = crm.keyed("k").update(&id, change).await.unwrap();
    assert!(changed.status == 200 && !changed.replayed);
    assert_eq!(stored(&crm, &id, "phone")[0]["number"], "+14165550299");
}

#[tokio::test]
async fn a_relative_whose_name_nobody_shows_is_not_passed_off_as_the_contact_just_created() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    let relative = json!({ "firstname": "Grace", "phone": [{ "number": "+14165550277", "type": "mobile" }] });
    let _ = crm.at.put(relative).unwrap();
    crm.at.view(View::everywhere().without(&["firstname", "lastname", "fullname", "createdAt"]));
    // Nothing is stored, and the response is complete.
    let json = "application/json".to_owned();
    let nothing = FaultKind::Status { code: 200, body: "{}".into(), content_type: json, headers: vec![] };
    crm.at.fault(Fault::always(nothing).on_writes());
    let failure = crm.create(with(ada(), &json!({ "emailAddresses": [] }))).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::OutcomeUnknown);
}

#[tokio::test]
async fn defaults_fill_what_the_caller_left_open_and_give_way_to_what_he_says() {
    let crm = start(
        AptlyOptions::empty(),
        json!({ "createDefaults": { "contactType": "Tenant", "title": "Guest" } }),
    )
    .await;
    crm.create(ada()).await.unwrap();
    assert_eq!(
        (&crm.only_body()["Contact Type"], &crm.only_body()["Title"]),
        (&json!("Tenant"), &json!("Guest"))
    );
    let other = with(
        ada(),
        &json!({ "emailAddresses": [], "remoteFields": { "typeId": "oWn3rTyp3Xc5LmPqS", "Title": "Countess" } }),
    );
    let made = crm.create(other).await.unwrap();
    assert_eq!(
        (&crm.stored(&made)["contactType"], &crm.stored(&made)["title"]),
        (&json!("Owner"), &json!("Countess"))
    );
}

#[tokio::test]
async fn every_form_of_the_create_answer_ends_in_the_whole_contact() {
    for dialect in [Dialect::V2, Dialect::V3] {
        for fault in [
            None,
            Some(FaultKind::EmptyAnswer),
            Some(FaultKind::NoContent),
            Some(FaultKind::Body { text: "{}".into() }),
        ] {
            let options =
                AptlyOptions { dialect, by_email: ByEmail::WritesAContact, ..AptlyOptions::empty() };
            let crm = start(options, json!({})).await;
            if let Some(fault) = fault.clone() {
                crm.at.fault(Fault::once(fault).on_writes());
            }
            let made =
                crm.create(ada()).await.unwrap_or_else(|failure| panic!("{dialect:?} {fault:?} {failure:?}"));
            assert_eq!((warned(&made), crm.at.contacts().len()), (vec![], 1), "{dialect:?} {fault:?}");
            crm.assert_no_alarm();
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_after_a_lookup_that_does_not_see_everybody() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    // A look-up that does not see everybody has not seen that somebody is missing.
    let some = FaultKind::Body { text: r#"{"data":[],"count":1,"page":0,"pageSize":200}"#.into() };
    crm.at.fault(Fault::always(some).on("GET", "/api/contacts"));
    assert_eq!(crm.create(ada()).await.unwrap_err().kind, FailureKind::UpstreamInvalidResponse);
    crm.assert_nothing_sent();
}

#[tokio::test]
async fn an_unknown_contact_is_not_found_whatever_the_crm_makes_of_such_a_write() {
    for unknown_write in [UnknownWrite::NotFound, UnknownWrite::FallsThrough, UnknownWrite::Creates] {
        let crm = start(AptlyOptions { unknown_write, ..AptlyOptions::empty() }, json!({})).await;
        let failure = crm.update("nobody", ada()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ContactNotFound);
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn a_change_that_the_crm_overlooks_did_not_apply() {
    let deaf = AptlyOptions { native_keys: false, ..AptlyOptions::empty() };
    let crm = start(deaf, json!({})).await;
    let id = crm.put_rich();
    let emails = json!({ "emailAddresses": [{ "emailAddress": "x@example.com" }, { "emailAddress": "y@example.com" }] });
    let failure = crm.update(&id, emails).await.unwrap_err();
    assert_eq!(
        (failure.kind, places(&failure)),
        (FailureKind::UpstreamDidNotApply, vec!["/emailAddresses/0", "/emailAddresses/1"])
    );

    let merging = AptlyOptions { lists: Lists::Merge, ..AptlyOptions::empty() };
    let keeping = AptlyOptions { empty_clears: false, ..AptlyOptions::empty() };
    for (options, change, at) in [
        (merging, json!({ "emailAddresses": [{ "emailAddress": "x@example.com" }] }), "/emailAddresses"),
        (keeping.clone(), json!({ "emailAddresses": [] }), "/emailAddresses"),
        (keeping, json!({ "firstName": null }), "/firstName"),
        (
            AptlyOptions { unknown_write: UnknownWrite::Ignored, ..AptlyOptions::empty() },
            json!({ "firstName": "x" }),
            "",
        ),
    ] {
        let crm = start(options, json!({})).await;
        let id = crm.put_rich();
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
async fn a_value_that_the_crm_resolves_is_one_warning_on_create_and_on_each_change() {
    let crm = start(AptlyOptions { resolves: true, ..AptlyOptions::empty() }, json!({})).await;
    let dated = json!({ "contactType": "Owner", "customFields": { "Zr5bNm8CyHt2WqXe4": "2025-09-01" } });
    for (change, at) in [
        (json!({ "firstName": "Jose\u{301}" }), "/firstName"),
        (json!({ "remoteFields": { "contactType": "tenant" } }), "/remoteFields/contactType"),
        (json!({ "remoteFields": dated }), "/remoteFields/customFields/Zr5bNm8CyHt2WqXe4"),
    ] {
        is_told_each_time(&crm, &change, at).await;
    }
}

#[tokio::test]
async fn what_the_crm_sets_by_itself_is_never_told() {
    let crm = start(AptlyOptions { dialect: Dialect::V3, ..AptlyOptions::empty() }, json!({})).await;
    let id = crm.at.put(crm.world.with_all_fields("ada1@example.com", "+14165550001")).unwrap();
    // The duogram follows the names.
    assert_eq!(warned(&crm.update(&id, json!({ "firstName": "Zoe" })).await.unwrap()), []);
}

#[tokio::test]
async fn an_extension_is_held_as_it_is_typed() {
    let crm = start(AptlyOptions::empty(), json!({})).await;
    let made = crm
        .create(with(ada(), &json!({ "phoneNumbers": [{ "phoneNumber": "+1 416 555 0177 ext. 12" }] })))
        .await
        .unwrap();
    assert_eq!(crm.world.sent_number(&crm.only_body()), "+1 416 555 0177 ext. 12");
    assert_eq!(warned(&made), [(WarningCode::PhoneNotParsed, "/phoneNumbers/0/phoneNumber")]);
}
