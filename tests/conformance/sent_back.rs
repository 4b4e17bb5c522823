//! A contact that was read, edited and sent back: what the CRM sets or holds already is not judged, and nothing but
//! the edit changes.

use contacts_gateway::domain::{FailureKind, WarningCode};
use contacts_gateway::gateway::contacts::{ContactView, UpsertOutcome, WriteOptions};
use contacts_gateway::simulators::{Fault, FaultKind, pipeline};
use serde_json::{Value, json};

use crate::support::person::{ada, shown, with};
use crate::support::world::{Crm, both, places, soon, warned};

const STRICT: WriteOptions = WriteOptions { strict: true };
const QUALIFIED: &str = "64f0a1b2c3d4e5f6a7b8ca03";
const LOST: &str = "64f0a1b2c3d4e5f6a7b8ca04";

/// What a write says of what was sent; what a reading does not show is no part of it.
fn told(shown: &ContactView) -> Vec<(WarningCode, &str)> {
    warned(shown).into_iter().filter(|(code, _)| *code != WarningCode::Incomplete).collect()
}

async fn pipeline() -> Crm {
    Crm::pipeline(pipeline::PipelineOptions::empty(), json!({})).await
}

/// The contact as we show it, with the gateway's own id.
async fn read(crm: &Crm, id: &str) -> Value {
    let read = crm.get(id).await.unwrap();
    with(shown(&read.contact), &json!({ "id": read.id.as_str() }))
}

/// Changes the stored record as the CRM itself does.
fn moves(crm: &Crm, id: &str, fields: &Value) {
    let record = with(crm.at.contact(id).unwrap(), fields);
    crm.at.put(record).unwrap();
}

fn phones(numbers: &[(&str, Option<&str>)]) -> Value {
    let phone =
        |(number, kind): &(&str, Option<&str>)| json!({ "phoneNumber": number, "phoneNumberType": kind });
    json!({ "phoneNumbers": numbers.iter().map(phone).collect::<Vec<_>>() })
}

/// The numbers that the pipeline CRM holds, and which are primary.
fn held_phones(crm: &Crm, id: &str) -> Vec<(String, bool)> {
    let record = crm.at.contact(id).unwrap();
    let entries = record["phoneNumber"].as_array().unwrap();
    let entry = |entry: &Value| (entry["value"].as_str().unwrap().to_owned(), entry["isPrimary"] == true);
    entries.iter().map(entry).collect()
}

#[tokio::test]
async fn the_same_body_is_sent_twice_whatever_the_crm_computes_meanwhile() {
    for crm in both().await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let computed = |round: u32| json!({ "computed": round, "latestMessage": { "text": "m".repeat(2000), "at": round } });
        moves(&crm, &id, &computed(0));
        let edited = with(read(&crm, &id).await, &json!({ "firstName": "Zoe" }));
        for round in 1..4 {
            moves(&crm, &id, &computed(round));
            let back = crm.update_within(&soon(), &id, edited.clone(), STRICT).await;
            let back = back.unwrap_or_else(|failure| panic!("{:?}", places(&failure)));
            let fields: Vec<_> =
                told(&back).into_iter().filter(|(_, pointer)| pointer.starts_with("/remoteFields")).collect();
            // Aptly computes from the name that was edited; the first body still has what it held.
            let differs = !crm.is("aptly") || round > 1;
            let expected = if differs { vec![(WarningCode::ReadOnly, "/remoteFields")] } else { vec![] };
            assert_eq!(fields, expected, "{} {round}", crm.spec.title);
            assert_eq!(back.contact.first_name.as_deref(), Some("Zoe"));
        }
        assert_eq!(crm.sent().len(), 1, "only the edit is sent, once");
        let stranger = json!({ "firstName": "Ada", "remoteFields": { "computed": 7 } });
        let failure = crm.update(&id, stranger).await.unwrap_err();
        assert_eq!(
            (failure.kind, places(&failure)),
            (FailureKind::ValidationFailed, vec!["/remoteFields/computed"])
        );
    }
}

#[tokio::test]
async fn a_stage_that_the_caller_did_not_choose_stays_where_it_was_moved_to() {
    let crm = pipeline().await;
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
    for outcome in ["same", "other", "chosen", "unreadable"] {
        let crm = pipeline().await;
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let status = if outcome == "other" { "Contacted" } else { "Lost" };
        let fields = json!({ "status": status, "pipelineStage": LOST });
        let mut body = read(&crm, &id).await;
        body["remoteFields"] = with(body["remoteFields"].clone(), &fields);
        match outcome {
            "chosen" => body = json!({ "remoteFields": fields }),
            "unreadable" => {
                let (body, content_type) = ("{}".to_owned(), "application/json".to_owned());
                let missing = FaultKind::Status { code: 404, body, content_type, headers: Vec::new() };
                crm.at.fault(Fault::always(missing).on("GET", "/api/pipelines"));
            }
            _ => {}
        }
        match crm.update(&id, body).await {
            Ok(back) => {
                assert!(matches!(outcome, "same" | "unreadable"), "{outcome}");
                assert_eq!(told(&back), []);
                assert_eq!(crm.only_body(), json!({ "pipelineStage": LOST }));
                assert_eq!(crm.at.contact(&id).unwrap()["status"], "Lost");
            }
            Err(failure) => {
                assert!(matches!(outcome, "other" | "chosen"), "{outcome} {failure:?}");
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
        let crm = pipeline().await;
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
        let crm = pipeline().await;
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
    let crm = pipeline().await;
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
        let crm = pipeline().await;
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
        let crm = pipeline().await;
        let id = put_with_secondary(&crm);
        let failure = crm.update(&id, phones(&sent)).await.unwrap_err();
        assert_eq!((failure.kind, places(&failure)), (FailureKind::ValidationFailed, vec![at]), "{sent:?}");
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn null_clears_what_an_upsert_finds_and_is_absent_from_what_it_creates() {
    for crm in both().await {
        let id = crm.put("Ada", "Byron", "ada@example.com", "+14165550277");
        let other = if crm.is("aptly") { "phoneNumbers" } else { "emailAddresses" };
        let nulls = json!({ "firstName": null, "account": null, other: null });
        let found = crm.upsert(with(ada(), &nulls), None).await.unwrap();
        assert_eq!(
            (found.outcome, found.contact.remote_id.as_str()),
            (Some(UpsertOutcome::Updated), id.as_str())
        );
        let contact = shown(&found.contact);
        assert_eq!(
            (&contact["firstName"], &contact[other]),
            (&Value::Null, &json!([])),
            "{}",
            crm.spec.title
        );

        let fields = if crm.is("aptly") {
            json!({ "isCompany": null, "title": null })
        } else {
            json!({ "status": null, "pipelineStage": null })
        };
        let stranger = json!({ "firstName": null, "lastName": "Hopper", "account": null, other: null, "remoteFields": fields,
            if crm.is("aptly") { "emailAddresses" } else { "phoneNumbers" }:
                if crm.is("aptly") { json!([{ "emailAddress": "grace@example.com" }]) } else { json!([{ "phoneNumber": "+14165550288" }]) } });
        let made = crm.upsert(stranger, None).await.unwrap();
        assert_eq!((made.outcome, told(&made)), (Some(UpsertOutcome::Created), vec![]));
        let sent = crm.sent();
        let body: Value = serde_json::from_str(&sent.last().unwrap().body).unwrap();
        assert!(body.as_object().unwrap().values().all(|value| !value.is_null() && value != ""), "{body}");
    }
}

#[tokio::test]
async fn a_null_of_a_create_leaves_the_credentials_default_in_place() {
    let crm = Crm::pipeline(
        pipeline::PipelineOptions::empty(),
        json!({ "createDefaults": { "status": "Qualified" } }),
    )
    .await;
    let made = crm
        .create(with(ada(), &json!({ "remoteFields": { "status": null, "pipelineStage": null } })))
        .await
        .unwrap();
    assert_eq!(crm.stored(&made)["status"], "Qualified");
}

/// A record that breaks each of the gateway's own rules.
fn put_odd(crm: &Crm) -> String {
    let numbers: Vec<String> = (0..60).map(|n| format!("+141655503{n:02}")).collect();
    let contact = if crm.is("aptly") {
        json!({ "_id": "odd", "firstname": "Ada\tMary", "lastname": "B".repeat(1200), "email": ["n/a", "ada@example.com"],
            "phone": numbers.iter().map(|number| json!({ "number": number, "type": "mobile" })).collect::<Vec<_>>() })
    } else {
        json!({ "_id": "odd", "firstName": "Ada\tMary", "lastName": "B".repeat(1200),
            "email": [{ "value": "n/a", "isPrimary": true }, { "value": "ada@example.com", "isPrimary": false }],
            "phoneNumber": numbers.iter().enumerate().map(|(n, number)| json!({ "value": number, "isPrimary": n == 0 })).collect::<Vec<_>>() })
    };
    let many: serde_json::Map<String, Value> = (0..300).map(|n| (format!("field{n}"), json!(n))).collect();
    crm.at.put(with(contact, &Value::Object(many))).unwrap()
}

#[tokio::test]
async fn what_the_crm_holds_already_is_not_judged_as_new() {
    for crm in both().await {
        let id = put_odd(&crm);
        let whole = read(&crm, &id).await;
        let back = crm.update_within(&soon(), &id, whole.clone(), STRICT).await;
        assert_eq!(told(&back.unwrap_or_else(|failure| panic!("{:?}", places(&failure)))), []);
        crm.assert_nothing_sent();
        let title = crm.spec.title;
        let field = |index: usize| format!("/phoneNumbers/{index}/phoneNumber");
        let changed = |name: &str, change: &dyn Fn(&mut Value)| {
            let mut list = whole[name].clone();
            change(&mut list);
            json!({ name: list })
        };
        let one_more =
            |list: &mut Value| list.as_array_mut().unwrap().push(json!({ "phoneNumber": "+14165550399" }));
        for (change, at) in [
            (json!({ "firstName": "Ada\tAnn" }), "/firstName".to_owned()),
            (json!({ "lastName": "C".repeat(1200) }), "/lastName".to_owned()),
            (changed("phoneNumbers", &one_more), "/phoneNumbers".to_owned()),
            (
                json!({ "phoneNumbers": [{ "phoneNumber": "+14165550300" }, { "phoneNumber": "1".repeat(1001) }] }),
                field(1),
            ),
            (
                changed("emailAddresses", &|list| list[1] = json!({ "emailAddress": "nobody" })),
                "/emailAddresses/1/emailAddress".to_owned(),
            ),
            (
                json!({ "emailAddresses": [{ "emailAddress": "ada@example.com", "emailAddressType": "m\u{1}" }] }),
                "/emailAddresses/0/emailAddressType".to_owned(),
            ),
            (json!({ "addresses": vec![json!({ "city": "x" }); 21] }), "/addresses".to_owned()),
            (json!({ "addresses": [{ "city": "a\nb" }] }), "/addresses/0/city".to_owned()),
        ] {
            let failure = crm.update(&id, change).await.unwrap_err();
            assert_eq!(
                (failure.kind, places(&failure)),
                (FailureKind::ValidationFailed, vec![at.as_str()]),
                "{title}"
            );
        }
        crm.assert_nothing_sent();
        let many: serde_json::Map<String, Value> = (0..201).map(|n| (format!("new{n}"), json!(n))).collect();
        let failure = crm.update(&id, json!({ "remoteFields": many })).await.unwrap_err();
        assert_eq!(places(&failure), ["/remoteFields"], "{title}");
    }
}

#[tokio::test]
async fn a_contact_that_breaks_the_rules_is_edited_as_a_whole_and_by_upsert() {
    for crm in both().await {
        let id = put_odd(&crm);
        let edited = with(read(&crm, &id).await, &json!({ "firstName": "Augusta" }));
        let back = crm.update(&id, edited).await.unwrap();
        assert_eq!(
            (back.contact.first_name.as_deref(), back.contact.phone_numbers.len()),
            (Some("Augusta"), 60)
        );
        let mut fewer = read(&crm, &id).await;
        fewer["phoneNumbers"].as_array_mut().unwrap().pop();
        let fewer = crm.update(&id, fewer).await.unwrap();
        assert_eq!(fewer.contact.phone_numbers.len(), 59, "a number of too many can be taken out");
        let whole = read(&crm, &id).await;
        let mut upsert = json!({ "lastName": whole["lastName"], "emailAddresses": whole["emailAddresses"], "phoneNumbers": whole["phoneNumbers"] });
        upsert["firstName"] = json!("Ada");
        let found = crm.upsert(upsert.clone(), None).await.unwrap();
        assert_eq!(
            (found.outcome, found.contact.first_name.as_deref()),
            (Some(UpsertOutcome::Updated), Some("Ada"))
        );
        assert!(crm.at.take_out(&id));
        let sent = crm.sent().len();
        let failure = crm.upsert(upsert, None).await.unwrap_err();
        let mut at = places(&failure);
        at.sort_unstable();
        assert_eq!(
            at,
            ["/emailAddresses/0/emailAddress", "/lastName", "/phoneNumbers"],
            "{}",
            crm.spec.title
        );
        assert_eq!(crm.sent().len(), sent, "what is new is judged before it is sent");
    }
}

#[tokio::test]
async fn an_upsert_by_what_is_no_address_is_refused_before_any_call() {
    for crm in both().await {
        let (list, entry) = if crm.is("aptly") {
            ("emailAddresses", json!({ "emailAddress": "n/a" }))
        } else {
            ("phoneNumbers", json!({ "phoneNumber": "1".repeat(1001) }))
        };
        let failure = crm.upsert(json!({ "lastName": "Byron", list: [entry] }), None).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ValidationFailed);
        assert!(places(&failure)[0].starts_with(&format!("/{list}/0/")), "{:?}", places(&failure));
        crm.assert_silence();
    }
}
