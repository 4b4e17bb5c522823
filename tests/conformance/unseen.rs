//! Readings that lack fields, values that CRMs resolve, and other writers: how a write is judged then.

use contacts_gateway::domain::{FailureKind, Field, WarningCode};
use contacts_gateway::gateway::contacts::ContactView;
use contacts_gateway::simulators::{Fault, FaultKind, Reading, View};
use serde_json::{Map, Value, json};

use crate::support::account::{places, warned};
use crate::support::crm::{Crm, all};
use crate::support::person::{ada, with};
use crate::support::worlds::WORLDS;

/// Somebody who has each of the fields.
fn put(crm: &Crm, number: usize) -> String {
    let (email, phone) = (format!("ada{number}@example.com"), format!("+1416555{number:04}"));
    crm.at.put(crm.world.with_all_fields(&email, &phone)).unwrap()
}

fn not_verified(shown: &ContactView) -> Vec<&str> {
    let warned = warned(shown);
    warned.into_iter().filter(|(code, _)| *code == WarningCode::NotVerified).map(|(_, at)| at).collect()
}

pub(super) fn stored(crm: &Crm, id: &str, key: &str) -> Value {
    crm.at.contact(id).unwrap().get(key).cloned().unwrap_or_default()
}

pub(super) fn fields_of(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn what_no_reading_shows_is_sent_stored_and_not_verified() {
    let mut cases = 0;
    for crm in all().await {
        for field in crm.world.hidden() {
            for (change, expected) in [(&field.set, &field.stored[0]), (&field.clear, &field.stored[1])] {
                if change.is_null() {
                    continue;
                }
                cases += 1;
                let id = put(&crm, cases);
                crm.at.view(View::everywhere().without(&field.keys()));
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
            crm.at.view(View::everywhere().without(&field.keys()));
            let made = crm.create(with(ada(), &field.set)).await.unwrap();
            let told = warned(&made);
            assert!(not_verified(&made) == [field.at], "{} {} {told:?}", crm.spec.title, field.at);
            assert!(!told.iter().any(|(code, _)| *code == WarningCode::NotStored), "{told:?}");
            crm.at.views().clear();
            assert!(crm.at.take_out(made.contact.remote_id.as_str()));
        }
    }
    assert!(cases >= 13 * WORLDS.len(), "{cases}");
}

#[tokio::test]
async fn what_only_the_single_read_lacks_is_verified_by_the_row() {
    for crm in all().await {
        // Of the single read alone: what rows show too.
        let rows_show =
            ["/firstName", "/lastName", "/emailAddresses", "/phoneNumbers", "/remoteFields/status"];
        for field in crm.world.hidden().into_iter().filter(|field| rows_show.contains(&field.at)) {
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
    for crm in all().await {
        for field in crm.world.hidden() {
            for (change, applied) in [(&field.set, false), (&field.clear, true)] {
                if change.is_null() {
                    continue;
                }
                let id = put(&crm, 1);
                let (views, keys) = (crm.at.views().clone(), field.keys());
                crm.at.journal().watch(move |call| {
                    if call.method != "GET" {
                        views.add(View::everywhere().without(&keys));
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

/// A value that the CRM resolves is told by one warning when it is created and whenever it is written again.
pub(super) async fn is_told_each_time(crm: &Crm, change: &Value, at: &str) {
    let told = [(WarningCode::ChangedByUpstream, at)];
    let made = crm.create(with(ada(), change)).await.unwrap();
    assert_eq!(warned(&made), told, "{change}");
    for _ in 0..2 {
        let changed = crm.update(&made.id, change.clone()).await.unwrap();
        assert_eq!(warned(&changed), told, "{change}");
    }
    assert!(crm.at.take_out(made.contact.remote_id.as_str()));
}

#[tokio::test]
async fn another_writer_between_write_and_read_back_is_told_and_no_failure() {
    for crm in all().await {
        let [first, last] = [Field::FirstName, Field::LastName].map(|field| crm.world.stored_name(field));
        let id = put(&crm, 1);
        let path = crm.world.contact_path(&id);
        for (set, at) in [(json!({ first: "Zoe" }), "/firstName"), (json!({ last: "King" }), "/lastName")] {
            let meanwhile = FaultKind::Meanwhile { contact: None, set: fields_of(&set) };
            crm.at.fault(Fault::once(meanwhile).on("GET", &path).after(1));
            let changed =
                crm.update(&id, json!({ "firstName": format!("Augusta{}", at.len()) })).await.unwrap();
            assert!(crm.at.faults().all().is_empty());
            assert_eq!(warned(&changed), [(WarningCode::ChangedByUpstream, at)]);
        }
    }
}

#[tokio::test]
async fn a_create_that_cannot_be_read_back_shows_nothing_that_was_only_sent() {
    for crm in all().await {
        crm.at.view(View::of(Reading::Written).without(&["phone", "Phone", "phoneNumber"]));
        let failing = FaultKind::Status {
            code: 500,
            body: String::new(),
            content_type: String::new(),
            headers: vec![],
        };
        crm.at.fault(Fault::always(failing).on("GET", &crm.world.contact_path("*")));
        let sent =
            json!({ "phoneNumbers": [{ "phoneNumber": "416-0277 5550", "phoneNumberType": "primary" }] });
        let made = crm.create(with(ada(), &sent)).await.unwrap();
        assert_eq!(made.contact.phone_numbers, []);
        assert!(warned(&made).contains(&(WarningCode::NotVerified, "")));
        assert!(warned(&made).contains(&(WarningCode::Incomplete, "/phoneNumbers")));
    }
}

#[tokio::test]
async fn a_list_whose_entries_cannot_be_read_is_not_taken_for_an_empty_one() {
    for crm in all().await {
        let fields = [Field::EmailAddresses, Field::PhoneNumbers];
        for odd in [json!({ "a": 1 }), json!([{ "x": 1 }]), json!([{ "isPrimary": true }])] {
            for (key, field) in fields.map(|field| (crm.world.stored_name(field), field)) {
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
