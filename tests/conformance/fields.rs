//! The description of an account is true: each field that it calls writable is stored, each loss is told, each native filter
//! reaches the CRM, and only a definition that was read live refuses a write.

use std::time::Duration;

use contacts_gateway::domain::{CallContext, FailureKind, FilterName};
use contacts_gateway::gateway::contacts::PageStart;
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::support::account::{places, warned};
use crate::support::crm::{Crm, all, all_with_people};
use crate::support::person::{ada, with};
use crate::support::worlds::NewChoice;

/// What the API says about the account.
async fn described(crm: &Crm) -> Value {
    let uri = format!("/crm/contacts/fields?credentialId={}", crm.credential.as_str());
    let reply = crm.gateway.ask("GET", &uri).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

async fn post(crm: &Crm, contact: &Value) -> Reply {
    let uri = format!("/crm/contacts?credentialId={}", crm.credential.as_str());
    crm.gateway.tell("POST", &uri, contact.to_string()).await
}

fn fields<'a>(described: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    described[kind].as_array().unwrap().iter()
}

fn remote<'a>(described: &'a Value, name: &str) -> &'a Value {
    let is_it = |field: &&Value| field["name"] == name && field["customFieldId"].is_null();
    fields(described, "remoteFields").find(is_it).unwrap_or(&Value::Null)
}

/// Somebody whom no CRM has yet.
fn somebody(number: usize) -> Value {
    with(
        ada(),
        &json!({
            "emailAddresses": [{ "emailAddress": format!("ada{number}@example.com"), "emailAddressType": "main" }],
            "phoneNumbers": [{ "phoneNumber": format!("+1416{:06}1", 550_000 + number) }],
        }),
    )
}

/// A body with a value of the unified field, and the pointer at which a loss of it is told.
fn sample(name: &str, number: usize) -> (Value, String) {
    let body = somebody(number);
    let entry = |list: &str, kind: &str, word: &str| {
        let mut body = body.clone();
        body[list][0][kind] = json!(word);
        (body, format!("/{list}/0/{kind}"))
    };
    match name {
        "emailAddressType" => entry("emailAddresses", name, "work"),
        "phoneNumberType" => entry("phoneNumbers", name, "fax"),
        "emailAddresses" | "phoneNumbers" => (body, format!("/{name}")),
        "addresses" => (with(body, &json!({ name: [{ "city": "London" }] })), format!("/{name}")),
        "remoteFields" => (with(body, &json!({ name: { "nothing": 1 } })), "/remoteFields/nothing".into()),
        "remoteDeleted" => (with(body, &json!({ name: true })), format!("/{name}")),
        name if name.ends_with("At") => {
            (with(body, &json!({ name: "2020-01-01T00:00:00.000Z" })), format!("/{name}"))
        }
        name => (with(body, &json!({ name: format!("Value of {name}") })), format!("/{name}")),
    }
}

#[tokio::test]
async fn what_is_called_writable_is_stored_and_each_loss_is_told() {
    for crm in all().await {
        let described = described(&crm).await;
        for (number, field) in fields(&described, "fields").enumerate() {
            let name = field["name"].as_str().unwrap();
            let (body, at) = sample(name, number);
            let made = post(&crm, &body).await;
            let said = format!("{} {name}: {}", crm.spec.title, made.text);
            let warnings = made.json()["warnings"].as_array().cloned().unwrap_or_default();
            let told = |code: &str| {
                warnings.iter().any(|warning| warning["code"] == code && warning["pointer"] == at.as_str())
            };
            match (name, field["writable"].as_bool().unwrap(), &field["lost"]) {
                // Of other keys of the CRM nothing is lost in silence either.
                ("remoteFields", true, Value::String(_)) => {
                    assert_eq!((made.status, made.places()), (422, vec![at]), "{said}");
                }
                (_, _, Value::String(_)) => assert!(made.status == 200 && told("not_stored"), "{said}"),
                (_, true, Value::Null) => {
                    assert!(made.status == 200 && warnings.is_empty(), "{said}");
                    let id = made.json()["contact"]["id"].as_str().unwrap().to_owned();
                    let held = crm.get(&id).await.unwrap();
                    let shown = crate::support::person::shown(&held.contact);
                    // Types of entries are fields of their own.
                    let values = |of: &Value| match of {
                        Value::Array(entries) => entries
                            .iter()
                            .map(|entry| entry.get("emailAddress").or(entry.get("phoneNumber")).cloned())
                            .collect::<Vec<_>>(),
                        value => vec![Some(value.clone())],
                    };
                    assert_eq!(values(&shown[name]), values(&body[name]), "{said}");
                }
                (_, false, Value::Null) => assert!(made.status == 200 && told("read_only"), "{said}"),
                other => panic!("{other:?}"),
            }
            let mut without = somebody(100 + number);
            without.as_object_mut().unwrap().remove(name);
            let made = post(&crm, &without).await;
            let refused = made.status == 422 && made.places().contains(&format!("/{name}"));
            assert_eq!(refused, field["requiredOnCreate"] == true, "{name} {}", made.text);
        }
    }
}

#[tokio::test]
async fn a_remote_field_is_written_as_its_description_says() {
    let mut number = 0;
    for crm in all_with_people(30).await {
        let described = described(&crm).await;
        assert!(fields(&described, "remoteFields").any(|field| field["writable"] == false));
        for field in fields(&described, "remoteFields").filter(|field| field["customFieldId"].is_null()) {
            number += 1;
            let name = field["name"].as_str().unwrap();
            let at = format!("/remoteFields/{name}");
            let write = |value: &Value| {
                let mut remote = crm.world.remote_fields_before_samples();
                let sample = crm.world.remote_sample(name);
                for replaced in sample.iter().flat_map(|sample| sample.replaces) {
                    remote.as_object_mut().unwrap().remove(*replaced);
                }
                remote[name] = value.clone();
                with(somebody(number), &json!({ "remoteFields": remote }))
            };
            let said = format!("{} {name}", crm.spec.title);
            if field["writable"] == false {
                let failure = crm.create(write(&json!("x"))).await.unwrap_err();
                assert_eq!(
                    (failure.kind, places(&failure)),
                    (FailureKind::ValidationFailed, vec![at.as_str()]),
                    "{said}"
                );
                continue;
            }
            let never = &crm.world.never_verified()[name];
            let sample = crm.world.remote_sample(name).map_or_else(|| never.clone(), |sample| sample.value);
            let kind = match &sample {
                Value::String(_) => "string",
                Value::Bool(_) => "boolean",
                Value::Object(_) => "object",
                other => panic!("{other}"),
            };
            assert_eq!(field["type"], kind, "{said}");
            for wrong in [json!(5), json!("x"), json!(true), json!([])] {
                let is_kind =
                    wrong.is_string() && kind == "string" || wrong.is_boolean() && kind == "boolean";
                if !is_kind {
                    let failure = crm.create(write(&wrong)).await.unwrap_err();
                    assert!(places(&failure).iter().all(|place| place.starts_with(&at)), "{said} {wrong}");
                    assert_eq!(failure.kind, FailureKind::ValidationFailed, "{said} {wrong} {failure:?}");
                }
            }
            let made =
                crm.create(write(&sample)).await.unwrap_or_else(|failure| panic!("{said} {failure:?}"));
            assert_eq!(warned(&made), [], "{said}");
            let again = json!({ "remoteFields": { name: sample } });
            let other = match kind {
                "string" if field["onCreateOnly"] == true => json!({ "remoteFields": { name: "other" } }),
                _ => again,
            };
            let changed = crm.update(&made.id, other).await;
            assert_eq!(changed.is_err(), field["onCreateOnly"] == true, "{said}");
        }
    }
}

#[tokio::test]
async fn a_native_filter_reaches_the_crm_and_no_other_one_does() {
    for crm in all_with_people(10).await {
        let described = described(&crm).await;
        let mut seen = 0;
        for filter in fields(&described, "fields").flat_map(|field| fields(field, "filters")) {
            seen += 1;
            let name = filter["parameter"].as_str().unwrap();
            let value = match FilterName::parse(name).unwrap() {
                FilterName::EmailAddress => "ada@example.com",
                FilterName::PhoneNumber => "+14165550277",
                name if name.kind() == contacts_gateway::domain::FilterKind::Time => "2020-01-01T00:00:00Z",
                _ => "Ada",
            };
            crm.at.journal().clear();
            let listed = crm.list(&[(name, value)], PageStart::PageNumber(1), 5).await;
            let queries: Vec<String> = crm.at.calls().into_iter().map(|call| call.query).collect();
            let names =
                |filters: &[FilterName]| filters.iter().map(|name| name.parameter()).collect::<Vec<_>>();
            let said = format!("{} {name} {queries:?}", crm.spec.title);
            match (filter["applied"].as_str().unwrap(), listed) {
                ("native", Ok(page)) => {
                    // A part of a parameter stands behind a dot.
                    let parameter = filter["remoteParameter"].as_str().unwrap();
                    for part in parameter.split('.') {
                        assert!(queries.iter().all(|query| query.contains(part)), "{said}");
                    }
                    assert_eq!(names(&page.pushed_down), [name], "{said}");
                }
                ("here", Ok(page)) => {
                    assert_eq!(names(&page.applied_here), [name], "{said}");
                    assert!(
                        !queries.is_empty() && queries.iter().all(|query| !query.contains("Ada")),
                        "{said}"
                    );
                }
                ("no", Ok(page)) => {
                    assert!(filter["note"].as_str().unwrap().starts_with("matches "), "{said}");
                    let everybody = filter["note"].as_str().unwrap().starts_with("matches everybody");
                    assert_eq!(page.contacts.is_empty(), !everybody, "{said}");
                }
                ("no", Err(failure)) => assert_eq!(failure.kind, FailureKind::FilterUnsupported, "{said}"),
                (applied, listed) => panic!("{said}: {applied} {:?}", listed.err()),
            }
        }
        assert_eq!(seen, FilterName::ALL.len());
    }
}

fn choosing(number: usize, field: &str, value: &str) -> Value {
    with(somebody(number), &json!({ "remoteFields": { field: value } }))
}

#[tokio::test]
async fn a_choice_that_the_crm_does_not_show_is_refused_and_one_that_it_shows_from_now_on_is_taken_at_once() {
    for crm in all().await {
        let NewChoice { field, value, known, definition } = crm.world.new_choice();
        let at = format!("/remoteFields/{field}");
        let before = described(&crm).await;
        let values = |described: &Value| {
            let choices = fields(remote(described, field), "choices").cloned().collect::<Vec<_>>();
            choices.iter().map(|choice| choice["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(values(&before).contains(&known.to_owned()) && !values(&before).contains(&value.to_owned()));
        let held = crm.create(choosing(1, field, known)).await.unwrap();
        let sent = crm.sent().len();
        for number in 2..4 {
            let created = crm.create(choosing(number, field, value)).await.unwrap_err();
            let changed =
                crm.update(&held.id, json!({ "remoteFields": { field: value } })).await.unwrap_err();
            for failure in [created, changed] {
                assert_eq!(
                    (failure.kind, places(&failure)),
                    (FailureKind::ValidationFailed, vec![at.as_str()])
                );
                assert!(
                    failure.detail.contains(known),
                    "it lists the valid ones: {}",
                    failure.detail.as_str()
                );
            }
        }
        assert_eq!(crm.sent().len(), sent);
        // The kept definition does not know it, and is read again before a refusal.
        assert!(crm.at.define(&definition));
        let made = crm.create(choosing(4, field, value)).await.unwrap();
        assert_eq!(warned(&made), []);
        assert!(values(&described(&crm).await).contains(&value.to_owned()));
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn a_definition_is_read_once_in_five_minutes_and_only_for_a_write_that_needs_it() {
    for crm in all_with_people(5).await {
        let live = |crm: &Crm| {
            let calls = crm.at.calls().into_iter().filter(|call| {
                let is_live = |path: &&str| call.path.starts_with(path.trim_end_matches('*'));
                crm.world.live_paths().iter().any(is_live) || call.path.starts_with("/api/board/")
            });
            calls.count()
        };
        let made = crm.create(somebody(1)).await.unwrap();
        let change =
            json!({ "firstName": "Augusta", "emailAddresses": [{ "emailAddress": "x@example.com" }] });
        crm.update(&made.id, change).await.unwrap();
        assert_eq!(live(&crm), 0, "{}", crm.spec.title);
        let NewChoice { field, known, .. } = crm.world.new_choice();
        crm.create(choosing(2, field, known)).await.unwrap();
        let once = live(&crm);
        assert!(once > 0);
        for number in 3..6 {
            crm.create(choosing(number, field, known)).await.unwrap();
        }
        assert_eq!(live(&crm), once, "{}", crm.spec.title);
        crm.fields().await.unwrap();
        let (all, calls) = (live(&crm), crm.at.calls().len());
        let again = crm.fields().await.unwrap();
        assert_eq!((live(&crm), crm.at.calls().len(), again.warnings), (all, calls, vec![]));
    }
}

#[tokio::test]
async fn a_source_that_fails_is_a_warning_and_refuses_no_write() {
    let status = |code| FaultKind::Status {
        code,
        body: "{}".into(),
        content_type: "application/json".into(),
        headers: vec![],
    };
    for fault in
        [status(404), status(403), status(500), FaultKind::HtmlBody { status: 200 }, FaultKind::CutJson]
    {
        for crm in all().await {
            for path in crm.world.live_paths() {
                crm.at.fault(Fault::always(fault.clone()).on("GET", path));
            }
            let described = described(&crm).await;
            let warnings: Vec<_> = fields(&described, "warnings").collect();
            assert_eq!(warnings.len(), crm.spec.live.len(), "{fault:?} {warnings:?}");
            for source in crm.spec.live {
                let names_it = |warning: &&&Value| warning["message"].as_str().unwrap().contains(source.call);
                let warning = warnings.iter().find(names_it);
                let warning = warning.unwrap_or_else(|| panic!("{} {warnings:?}", source.call));
                assert_eq!(
                    (&warning["code"], &warning["pointer"]),
                    (&json!("incomplete"), &json!("/remoteFields"))
                );
            }
            let declared = crm.spec.remote_fields.iter().map(|field| field.name);
            for name in declared {
                assert_eq!(remote(&described, name)["writable"], true, "{name}");
            }
            // The CRM itself decides, as it did before.
            let NewChoice { field, known, .. } = crm.world.new_choice();
            crm.create(choosing(1, field, known)).await.unwrap();
            let [(refused, nonsense), _] = crm.world.refused_remote_fields();
            let failure = crm.create(choosing(2, refused, nonsense)).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::UpstreamRejected, "{fault:?} {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_source_that_hangs_delays_neither_the_description_nor_a_write_for_long() {
    for crm in all().await {
        for path in crm.world.live_paths() {
            crm.at.fault(Fault::always(FaultKind::NeverAnswer).on("GET", path));
        }
        let within = |seconds| CallContext::within(Duration::from_secs(seconds), "test".into());
        let described = crm.fields_within(&within(4)).await.unwrap();
        assert_eq!(described.warnings.len(), crm.spec.live.len(), "{:?}", described.warnings);
        let NewChoice { field, known, .. } = crm.world.new_choice();
        let options = contacts_gateway::gateway::contacts::WriteOptions::default();
        crm.create_within(&within(20), choosing(1, field, known), options).await.unwrap();
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_read_at_all_is_described_from_the_declaration() {
    for crm in all().await {
        crm.at.revoke(crm.at.token());
        let described = described(&crm).await;
        let warnings: Vec<_> =
            fields(&described, "warnings").map(|warning| warning["message"].as_str().unwrap()).collect();
        assert_eq!(warnings.len(), 1 + crm.spec.live.len(), "{warnings:?}");
        assert!(
            warnings.iter().all(|warning| warning.contains("upstream_credential_rejected")),
            "{warnings:?}"
        );
        assert_eq!(fields(&described, "fields").count(), crm.spec.fields.len());
    }
}

#[tokio::test]
async fn what_contacts_show_is_described_and_refuses_nothing() {
    for crm in all_with_people(60).await {
        let described = described(&crm).await;
        let seen: Vec<_> = fields(&described, "remoteFields")
            .filter(|field| field["sources"].as_array().unwrap().contains(&json!("seen")))
            .collect();
        assert!(seen.len() >= 5, "{seen:?}");
        let listed = crm.page(1, 50).await.unwrap();
        for (_, contact) in &listed.contacts {
            for (name, _) in &contact.remote_fields.0 {
                assert!(seen.iter().any(|field| field["name"] == name.as_str()), "{}", name.as_str());
            }
        }
        // No text of a contact is among them but for values of choices.
        let text = described.to_string();
        for (_, contact) in &listed.contacts {
            let emails = contact.email_addresses.iter().map(|email| email.address.as_str());
            for value in emails.chain(contact.phone_numbers.iter().map(|phone| phone.number.as_str())) {
                assert!(!text.contains(value), "{value}");
            }
        }
    }
}
