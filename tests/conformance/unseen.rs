//! Readings that lack fields, values that CRMs resolve, and other writers: how a write is judged then.

use contacts_gateway::domain::{FailureKind, Field, WarningCode};
use contacts_gateway::gateway::contacts::ContactView;
use contacts_gateway::simulators::aptly::{self, Dialect};
use contacts_gateway::simulators::pipeline;
use contacts_gateway::simulators::{Fault, FaultKind, Reading, View};
use serde_json::{Map, Value, json};

use crate::support::person::{ada, with};
use crate::support::world::{Crm, both, both_with, places, warned};

/// A field that may not be shown: how it is written, and how the CRM spells it.
struct Hidden {
    /// Its pointer.
    at: &'static str,
    set: Value,
    clear: Value,
    key: &'static str,
    /// What the CRM holds after `set` and after `clear`.
    stored: [Value; 2],
}

fn hidden(at: &'static str, set: Value, clear: Value, key: &'static str, stored: [Value; 2]) -> Hidden {
    Hidden { at, set, clear, key, stored }
}

fn text(name: &'static str, at: &'static str, key: &'static str, empty: Value) -> Hidden {
    hidden(at, json!({ name: "Lovelace" }), json!({ name: null }), key, [json!("Lovelace"), empty])
}

/// Six fields of Aptly and five of the pipeline CRM, which has no account.
fn fields(crm: &Crm) -> Vec<Hidden> {
    let email = json!({ "emailAddresses": [{ "emailAddress": "new@example.com" }] });
    let phone = json!({ "phoneNumbers": [{ "phoneNumber": "+14165550299" }] });
    if crm.is("aptly") {
        let mobile = json!([{ "number": "+14165550299", "type": "mobile" }]);
        return vec![
            text("firstName", "/firstName", "firstname", json!("")),
            text("lastName", "/lastName", "lastname", json!("")),
            text("account", "/account", "company", json!("")),
            hidden(
                "/emailAddresses",
                email,
                json!({ "emailAddresses": [] }),
                "email",
                [json!(["new@example.com"]), json!([])],
            ),
            hidden("/phoneNumbers", phone, json!({ "phoneNumbers": null }), "phone", [mobile, json!([])]),
            hidden(
                "/remoteFields/title",
                json!({ "remoteFields": { "title": "Lady" } }),
                json!({ "remoteFields": { "title": null } }),
                "title",
                [json!("Lady"), json!("")],
            ),
        ];
    }
    let primary = json!([{ "value": "+14165550299", "isPrimary": true }]);
    vec![
        text("firstName", "/firstName", "firstName", Value::Null),
        text("lastName", "/lastName", "lastName", Value::Null),
        hidden(
            "/emailAddresses",
            email,
            json!({ "emailAddresses": null }),
            "email",
            [json!("new@example.com"), Value::Null],
        ),
        // The last number cannot be cleared.
        hidden("/phoneNumbers", phone, Value::Null, "phoneNumber", [primary, Value::Null]),
        hidden(
            "/remoteFields/status",
            json!({ "remoteFields": { "status": "Contacted" } }),
            Value::Null,
            "status",
            [json!("Contacted"), Value::Null],
        ),
    ]
}

/// Somebody who has each of the fields.
fn put(crm: &Crm, number: usize) -> String {
    let (email, phone) = (format!("ada{number}@example.com"), format!("+1416555{number:04}"));
    let contact = if crm.is("aptly") {
        json!({ "firstname": "Ada", "lastname": "Byron", "company": "Engines", "title": "Countess",
            "email": [email], "phone": [{ "number": phone, "type": "home" }] })
    } else {
        json!({ "firstName": "Ada", "lastName": "Byron", "email": email,
            "phoneNumber": [{ "value": phone, "isPrimary": true }] })
    };
    crm.at.put(contact).unwrap()
}

fn not_verified(shown: &ContactView) -> Vec<&str> {
    let warned = warned(shown);
    warned.into_iter().filter(|(code, _)| *code == WarningCode::NotVerified).map(|(_, at)| at).collect()
}

fn stored(crm: &Crm, id: &str, key: &str) -> Value {
    crm.at.contact(id).unwrap().get(key).cloned().unwrap_or_default()
}

fn fields_of(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn what_no_reading_shows_is_sent_stored_and_not_verified() {
    let mut cases = 0;
    for crm in both().await {
        for field in fields(&crm) {
            for (change, expected) in [(&field.set, &field.stored[0]), (&field.clear, &field.stored[1])] {
                if change.is_null() {
                    continue;
                }
                cases += 1;
                let id = put(&crm, cases);
                crm.at.view(View::everywhere().without(&[field.key]));
                let what = format!("{} {change}", crm.spec.title);
                let changed = crm
                    .update(&id, change.clone())
                    .await
                    .unwrap_or_else(|failure| panic!("{what} {failure:?}"));
                assert_eq!(
                    (not_verified(&changed), &stored(&crm, &id, field.key)),
                    (vec![field.at], expected),
                    "{what}"
                );
                crm.at.views().clear();
                assert!(crm.at.take_out(&id));
            }
            cases += 1;
            crm.at.view(View::everywhere().without(&[field.key]));
            let made = crm.create(with(ada(), &field.set)).await.unwrap();
            let told = warned(&made);
            assert!(not_verified(&made) == [field.at], "{} {} {told:?}", crm.spec.title, field.at);
            assert!(!told.iter().any(|(code, _)| *code == WarningCode::NotStored), "{told:?}");
            crm.at.views().clear();
            assert!(crm.at.take_out(made.contact.remote_id.as_str()));
        }
    }
    assert_eq!(cases, 18 + 13);
}

#[tokio::test]
async fn what_only_the_single_read_lacks_is_verified_by_the_row() {
    for crm in both().await {
        for field in fields(&crm).into_iter().filter(|field| !["company", "title"].contains(&field.key)) {
            let id = put(&crm, 1);
            crm.at.view(View::of(Reading::Single).without(&[field.key]));
            let changed = crm.update(&id, field.set.clone()).await.unwrap();
            let told = warned(&changed);
            assert!(told.iter().all(|(code, _)| *code == WarningCode::Incomplete), "{} {told:?}", field.at);
            assert!(!told.iter().any(|(_, at)| *at == field.at), "{} {told:?}", field.at);
            assert_eq!(stored(&crm, &id, field.key), field.stored[0]);
            crm.at.views().clear();
            assert!(crm.at.take_out(&id));
        }
    }
}

#[tokio::test]
async fn a_field_that_vanishes_with_its_change_was_cleared_or_did_not_apply() {
    for crm in both().await {
        for field in fields(&crm) {
            for (change, applied) in [(&field.set, false), (&field.clear, true)] {
                if change.is_null() {
                    continue;
                }
                let id = put(&crm, 1);
                let (views, key) = (crm.at.views().clone(), field.key);
                crm.at.journal().watch(move |call| {
                    if call.method != "GET" {
                        views.add(View::everywhere().without(&[key]));
                    }
                });
                let outcome = crm.update(&id, change.clone()).await;
                let what = format!("{} {change}", crm.spec.title);
                match outcome {
                    Ok(changed) => {
                        assert!(
                            applied && not_verified(&changed).is_empty(),
                            "{what} {:?}",
                            warned(&changed)
                        );
                    }
                    Err(failure) => {
                        assert!(
                            !applied && failure.kind == FailureKind::UpstreamDidNotApply,
                            "{what} {failure:?}"
                        );
                        assert_eq!(places(&failure), [field.at]);
                    }
                }
                crm.at.journal().watch(|_| {});
                crm.at.views().clear();
                assert!(crm.at.take_out(&id));
            }
        }
    }
}

#[tokio::test]
async fn a_list_that_is_shown_in_part_is_replaced_only_if_the_rest_can_be_read() {
    let options = aptly::AptlyOptions { dialect: Dialect::V3, ..aptly::AptlyOptions::empty() };
    let crm = Crm::aptly(options, json!({})).await;
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
    let options = aptly::AptlyOptions { dialect: Dialect::V3, ..aptly::AptlyOptions::empty() };
    let crm = Crm::aptly(options, json!({})).await;
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
async fn a_value_that_the_crm_resolves_is_one_warning_on_create_and_on_each_change() {
    let [aptly, pipeline] = both_with(
        aptly::AptlyOptions { resolves: true, ..aptly::AptlyOptions::empty() },
        pipeline::PipelineOptions { resolves: true, ..pipeline::PipelineOptions::empty() },
    )
    .await;
    let dated = json!({ "contactType": "Owner", "customFields": { "Zr5bNm8CyHt2WqXe4": "2025-09-01" } });
    let decomposed = "Jose\u{301}";
    for (crm, change, at) in [
        (&aptly, json!({ "firstName": decomposed }), "/firstName"),
        (&aptly, json!({ "remoteFields": { "contactType": "tenant" } }), "/remoteFields/contactType"),
        (&aptly, json!({ "remoteFields": dated }), "/remoteFields/customFields/Zr5bNm8CyHt2WqXe4"),
        (&pipeline, json!({ "firstName": decomposed }), "/firstName"),
    ] {
        let told = [(WarningCode::ChangedByUpstream, at)];
        let made = crm.create(with(ada(), &change)).await.unwrap();
        assert_eq!(warned(&made), told, "{change}");
        for _ in 0..2 {
            let changed = crm.update(&made.id, change.clone()).await.unwrap();
            assert_eq!(warned(&changed), told, "{change}");
        }
        assert!(crm.at.take_out(made.contact.remote_id.as_str()));
    }
}

#[tokio::test]
async fn another_writer_between_write_and_read_back_is_told_and_no_failure() {
    for crm in both().await {
        let (first, last) =
            if crm.is("aptly") { ("firstname", "lastname") } else { ("firstName", "lastName") };
        let id = put(&crm, 1);
        let path = format!("/api/contacts/{id}");
        for (set, at) in [(json!({ first: "Zoe" }), "/firstName"), (json!({ last: "King" }), "/lastName")] {
            let meanwhile = FaultKind::Meanwhile { contact: None, set: fields_of(&set) };
            crm.at.fault(Fault::once(meanwhile).on("GET", &path).after(1));
            let changed =
                crm.update(&id, json!({ "firstName": format!("Augusta{}", at.len()) })).await.unwrap();
            assert!(crm.at.faults().waiting().is_empty());
            assert_eq!(warned(&changed), [(WarningCode::ChangedByUpstream, at)]);
        }
    }
}

#[tokio::test]
async fn what_the_crm_sets_by_itself_is_never_told() {
    let crm =
        Crm::aptly(aptly::AptlyOptions { dialect: Dialect::V3, ..aptly::AptlyOptions::empty() }, json!({}))
            .await;
    let id = put(&crm, 1);
    // The duogram follows the names.
    assert_eq!(warned(&crm.update(&id, json!({ "firstName": "Zoe" })).await.unwrap()), []);
    let crm = Crm::pipeline(pipeline::PipelineOptions::empty(), json!({})).await;
    let id = put(&crm, 1);
    let set = json!({ "isUpdated": true, "latestMessage": { "text": "hi" }, "status": "Qualified", "pipelineStage": "64f0a1b2c3d4e5f6a7b8ca03" });
    let meanwhile = FaultKind::Meanwhile { contact: None, set: fields_of(&set) };
    crm.at.fault(Fault::once(meanwhile).on("GET", &format!("/api/contacts/{id}")).after(1));
    assert_eq!(warned(&crm.update(&id, json!({ "firstName": "Zoe" })).await.unwrap()), []);
}

#[tokio::test]
async fn a_create_that_cannot_be_read_back_shows_nothing_that_was_only_sent() {
    for crm in both().await {
        crm.at.view(View::of(Reading::Written).without(&["phone", "Phone", "phoneNumber"]));
        let failing = FaultKind::Status {
            code: 500,
            body: String::new(),
            content_type: String::new(),
            headers: vec![],
        };
        crm.at.fault(Fault::always(failing).on("GET", "/api/contacts/*"));
        let sent =
            json!({ "phoneNumbers": [{ "phoneNumber": "416-0277 5550", "phoneNumberType": "primary" }] });
        let made = crm.create(with(ada(), &sent)).await.unwrap();
        assert_eq!(made.contact.phone_numbers, []);
        assert!(warned(&made).contains(&(WarningCode::NotVerified, "")));
        assert!(warned(&made).contains(&(WarningCode::Incomplete, "/phoneNumbers")));
    }
}

#[tokio::test]
async fn a_relative_whose_name_nobody_shows_is_not_passed_off_as_the_contact_just_created() {
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
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
async fn a_list_whose_entries_cannot_be_read_is_not_taken_for_an_empty_one() {
    for crm in both().await {
        let key = if crm.is("aptly") { "phone" } else { "phoneNumber" };
        for odd in [json!({ "a": 1 }), json!([{ "x": 1 }]), json!([{ "isPrimary": true }])] {
            for (key, field) in [("email", Field::EmailAddresses), (key, Field::PhoneNumbers)] {
                let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
                crm.at.view(View::everywhere().with(key, odd.clone()));
                let read = crm.get(&id).await.unwrap();
                assert!(read.contact.unseen.contains(field), "{key} {odd} {:?}", read.contact);
                let pointer = format!("/{}", field.name());
                assert!(
                    warned(&read).contains(&(WarningCode::Incomplete, pointer.as_str())),
                    "{:?}",
                    warned(&read)
                );
                crm.at.views().clear();
                assert!(crm.at.take_out(&id));
            }
        }
    }
}

#[tokio::test]
async fn a_row_without_an_id_does_not_keep_a_contact_from_being_read() {
    let crm = Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await;
    let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
    crm.at.view(View::of(Reading::Row).without(&["_id"]));
    assert_eq!(crm.get(&id).await.unwrap().contact.first_name.as_deref(), Some("Ada"));
}
