//! Conditions on writes: a change that does not match its `If-Match` is not sent, and a tag means the same to everybody.

use std::collections::BTreeMap;
use std::time::Duration;

use contacts_gateway::domain::{FailureKind, Field, Retryable, WarningCode};
use contacts_gateway::simulators::{Fault, FaultKind};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::account::warned;
use crate::support::crm::{Crm, all, all_permissive, removing};
use crate::support::keyed::Told;
use crate::support::person::{ada, with};

/// What somebody else does at the CRM, without the gateway.
fn another_writer_sets(crm: &Crm, id: &str, fields: &Value) {
    let record = with(crm.at.contact(id).unwrap(), fields);
    assert_eq!(crm.at.put(record).as_deref(), Some(id));
}

/// The CRM's name of the first name.
fn first_name(crm: &Crm) -> &'static str {
    crm.world.stored_name(Field::FirstName)
}

async fn tag(crm: &Crm, id: &str) -> String {
    crm.get(id).await.unwrap().tag.unwrap().as_str().to_owned()
}

#[tokio::test]
async fn two_clients_who_edit_one_contact_lose_no_change() {
    for crm in all().await {
        let id = crm.put_rich();
        let (anns, bens) = (tag(&crm, &id).await, tag(&crm, &id).await);
        assert_eq!(anns, bens);
        let ann = crm.update_if(&[&anns], &id, json!({ "firstName": "Augusta" })).await.unwrap();
        let sent = crm.sent().len();
        let refused = crm.update_if(&[&bens], &id, json!({ "lastName": "King" })).await.unwrap_err();
        assert_eq!((refused.kind, refused.retryable), (FailureKind::ContactChanged, Retryable::No));
        assert_eq!(crm.sent().len(), sent, "nothing was sent");
        let read = crm.get(&id).await.unwrap();
        assert_eq!(read.contact.first_name.as_deref(), Some("Augusta"));
        assert_eq!((&refused.entity_tag, &ann.tag), (&read.tag, &read.tag), "all three tell the same tag");
        let bens = read.tag.unwrap();
        let ben = crm.update_if(&[&bens], &id, json!({ "lastName": "King" })).await.unwrap();
        let name = (ben.contact.first_name.as_deref(), ben.contact.last_name.as_deref());
        assert_eq!(name, (Some("Augusta"), Some("King")), "neither change is lost");
        crm.assert_no_alarm();
    }
}

#[tokio::test]
async fn every_change_of_what_can_be_written_changes_the_tag() {
    for crm in all().await {
        let id = crm.put_rich();
        let mut seen = BTreeMap::from([(tag(&crm, &id).await, json!("as it was"))]);
        for change in crm.world.visible_changes() {
            crm.put_rich();
            another_writer_sets(&crm, &id, &change);
            let before = seen.insert(tag(&crm, &id).await, change.clone());
            assert_eq!(before, None, "{change} looks the same");
        }
        crm.put_rich();
        let again = tag(&crm, &id).await;
        assert_eq!(seen.get(&again), Some(&json!("as it was")), "what was undone is as it was");
    }
}

#[tokio::test]
async fn what_only_the_crm_sets_changes_no_tag() {
    for crm in all().await {
        let changes = crm.world.changes_by_the_crm();
        let id = crm.put_rich();
        let before = tag(&crm, &id).await;
        let shown = |read: &contacts_gateway::gateway::contacts::ContactView| {
            (read.contact.remote_updated_at, read.contact.remote_fields.clone())
        };
        let first = shown(&crm.get(&id).await.unwrap());
        for (name, value) in changes.as_object().unwrap() {
            another_writer_sets(&crm, &id, &json!({ name: value }));
            assert_eq!(tag(&crm, &id).await, before, "{name}");
        }
        assert_ne!(shown(&crm.get(&id).await.unwrap()), first, "the changes are there");
        // The order of the CRM's keys says nothing.
        let record = crm.at.contact(&id).unwrap();
        let reversed: serde_json::Map<String, Value> = record
            .as_object()
            .unwrap()
            .iter()
            .rev()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        crm.at.put(Value::Object(reversed)).unwrap();
        assert_eq!(tag(&crm, &id).await, before);
    }
}

#[tokio::test]
async fn a_write_s_response_has_the_tag_of_the_read_that_follows() {
    for crm in all().await {
        let created = crm.create(ada()).await.unwrap();
        let id = created.contact.remote_id.as_str();
        assert_eq!(created.tag.as_deref(), Some(tag(&crm, id).await.as_str()));
        let changed = crm.update(id, json!({ "firstName": "Augusta" })).await.unwrap();
        assert_eq!(changed.tag.as_deref(), Some(tag(&crm, id).await.as_str()));
        assert_ne!(changed.tag, created.tag);
        let same = crm.update(id, json!({ "firstName": "Augusta" })).await.unwrap();
        assert_eq!(same.tag, changed.tag, "a write that sends nothing tells it too");
        let upserted = crm.upsert(with(ada(), &json!({ "firstName": "Ada" })), None).await.unwrap();
        assert_eq!(upserted.tag.as_deref(), Some(tag(&crm, id).await.as_str()));
    }
}

#[tokio::test]
async fn a_response_that_was_not_read_by_id_has_no_tag() {
    for crm in all().await {
        let id = crm.put_rich();
        let before = tag(&crm, &id).await;
        // The read before the write goes well, every read after it fails.
        let gone = FaultKind::AppliedThen { status: 503 };
        crm.at.fault(Fault::always(gone).on("GET", &crm.world.contact_path("*")).after(1));
        let change = json!({ "firstName": "Augusta" });
        let changed = crm.update_if(&[&before], &id, change).await.unwrap();
        assert!(warned(&changed).contains(&(WarningCode::NotVerified, "")), "{:?}", changed.warnings);
        assert_eq!(changed.tag, None);
        crm.at.faults().clear();
        assert_ne!(tag(&crm, &id).await, before);
    }
}

#[tokio::test]
async fn only_one_of_the_tags_must_match_and_a_weak_or_foreign_one_never_does() {
    for crm in all_permissive().await {
        let id = crm.put_rich();
        let now = tag(&crm, &id).await;
        let (weak, other) = (format!("W/{now}"), crm.put("Will", "King", "will@example.com", "+14165550299"));
        let foreign = tag(&crm, &other).await;
        let elsewhere = crm.afresh().await.get(&id).await.unwrap().tag.unwrap();
        for tags in [
            &[][..],
            &[weak.as_str()],
            &[foreign.as_str()],
            &[elsewhere.as_str()],
            &["\"\""],
            &[now.trim_matches('"')],
            &["\"*\""],
        ] {
            let refused = crm.update_if(tags, &id, json!({ "firstName": "Augusta" })).await.unwrap_err();
            assert_eq!(refused.kind, FailureKind::ContactChanged, "{tags:?}");
            assert_eq!(refused.entity_tag.as_deref(), Some(now.as_str()));
            if crm.spec.operations.delete {
                assert_eq!(crm.delete_if(tags, &id).await.unwrap_err().kind, FailureKind::ContactChanged);
            }
        }
        // A change that asks for what is held is refused too.
        let refused = crm.update_if(&[&weak], &id, json!({ "firstName": "Ada" })).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::ContactChanged);
        crm.assert_nothing_sent();
        crm.update_if(&[&foreign, &weak, &now], &id, json!({ "firstName": "Augusta" })).await.unwrap();
        crm.update_if(&["*"], &id, json!({ "firstName": "Ada" })).await.unwrap();
        assert_eq!(crm.sent().len(), 2);
    }
}

#[tokio::test]
async fn a_removal_under_a_condition_removes_what_was_read_and_without_one_reads_nothing_first() {
    for crm in removing().await {
        let id = crm.put_rich();
        let stale = tag(&crm, &id).await;
        another_writer_sets(&crm, &id, &json!({ first_name(&crm): "Augusta" }));
        assert_eq!(crm.delete_if(&[&stale], &id).await.unwrap_err().kind, FailureKind::ContactChanged);
        crm.assert_nothing_sent();
        let now = tag(&crm, &id).await;
        crm.delete_if(&[&now], &id).await.unwrap();
        assert!(crm.at.contacts().is_empty());
        let id = crm.put_rich();
        crm.delete_if(&["*"], &id).await.unwrap();
        let id = crm.put_rich();
        crm.at.journal().clear();
        crm.delete(&id).await.unwrap();
        assert_ne!(crm.at.calls()[0].method, "GET", "{:?}", crm.at.calls());
    }
}

#[tokio::test]
async fn a_contact_that_is_not_there_is_not_found_whatever_the_condition() {
    for crm in all_permissive().await {
        let id = crm.put_rich();
        let now = tag(&crm, &id).await;
        assert!(crm.at.take_out(&id));
        for tags in [&["*"][..], &[&now]] {
            let failure = crm.update_if(tags, &id, json!({ "firstName": "Augusta" })).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::ContactNotFound);
            let failure = crm.delete_if(tags, &id).await.unwrap_err();
            let wanted = if crm.spec.operations.delete {
                FailureKind::ContactNotFound
            } else {
                FailureKind::OperationUnsupported
            };
            assert_eq!(failure.kind, wanted);
        }
        crm.assert_nothing_sent();
    }
}

#[tokio::test]
async fn a_condition_is_part_of_what_a_key_stands_for_and_a_replay_does_not_check_it() {
    for crm in all().await {
        let id = crm.put_rich();
        let before = tag(&crm, &id).await;
        let change = || json!({ "firstName": "Augusta" });
        let first = crm.keyed("k").only_if(&[&before]).update(&id, change()).await.unwrap();
        assert_eq!(first.tag(), Some(tag(&crm, &id).await.as_str()));
        another_writer_sets(&crm, &id, &json!({ first_name(&crm): "Will" }));
        let calls = crm.at.calls().len();
        // The order of tags says nothing, and neither does one that stands twice.
        let again = crm.keyed("k").only_if(&[&before, &before]).update(&id, change()).await.unwrap();
        assert_eq!((again.replayed, &again.bytes), (true, &first.bytes));
        for other in [Some("*"), Some("\"other\""), None] {
            let keyed = crm.keyed("k");
            let keyed = if let Some(tag) = other { keyed.only_if(&[tag]) } else { keyed };
            let failure = keyed.update(&id, change()).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::IdempotencyKeyReused, "{other:?}");
        }
        assert_eq!(crm.at.calls().len(), calls, "a replay asks nobody");
    }
}

#[tokio::test]
async fn a_refusal_for_a_changed_contact_releases_the_key() {
    for crm in all().await {
        let id = crm.put_rich();
        let stale = tag(&crm, &id).await;
        another_writer_sets(&crm, &id, &json!({ first_name(&crm): "Will" }));
        let change = || json!({ "lastName": "King" });
        for _ in 0..2 {
            let refused = crm.keyed("k").only_if(&[&stale]).update(&id, change()).await.unwrap_err();
            assert_eq!(refused.kind, FailureKind::ContactChanged);
        }
        crm.assert_nothing_sent();
        let now = tag(&crm, &id).await;
        let told = crm.keyed("k").only_if(&[&now]).update(&id, change()).await.unwrap();
        assert_eq!((told.replayed, told.status), (false, 200));
    }
}

/// An answer of the CRM that applied nothing.
fn status(code: u16) -> FaultKind {
    let (body, content_type) = (r#"{"message":"no"}"#.into(), "application/json".into());
    FaultKind::Status { code, body, content_type, headers: Vec::new() }
}

/// A change of the first name under a key and a condition whose outcome the caller does not hear of.
async fn lose(crm: &Crm, id: &str, tag: &str, kind: FaultKind) {
    crm.at.fault(Fault::once(kind).on_writes());
    // Read once, before the write, and not again.
    crm.at.fault(Fault::always(status(403)).on("GET", &crm.world.contact_path("*")).after(1));
    let lost = resend(crm, id, tag).await;
    assert_eq!(lost.unwrap_err().kind, FailureKind::UpstreamError);
    assert_eq!(crm.sent().len(), 1, "not sent again, as nobody can tell what it would overwrite");
    crm.at.faults().clear();
    crm.at.journal().clear();
}

async fn resend(crm: &Crm, id: &str, tag: &str) -> contacts_gateway::domain::Result<Told> {
    crm.keyed("k").only_if(&[tag]).update(id, json!({ "firstName": "Augusta" })).await
}

#[tokio::test]
async fn a_replay_of_a_lost_change_is_not_refused_for_its_own_change() {
    for crm in all().await {
        let id = crm.put_rich();
        let before = tag(&crm, &id).await;
        lose(&crm, &id, &before, FaultKind::AppliedThen { status: 500 }).await;
        assert_ne!(tag(&crm, &id).await, before, "it was applied");
        let told = resend(&crm, &id, &before).await.unwrap();
        assert_eq!(told.body["contact"]["firstName"], "Augusta");
        assert_eq!(told.tag(), Some(tag(&crm, &id).await.as_str()));
        crm.assert_nothing_sent();
        assert!(resend(&crm, &id, &before).await.unwrap().replayed);
    }
}

#[tokio::test]
async fn a_replay_of_a_lost_change_that_the_crm_spells_otherwise_is_not_refused_either() {
    for crm in all().await {
        let id = crm.put_rich();
        let before = tag(&crm, &id).await;
        let change = || json!({ "firstName": "Augusta", "emailAddresses": [{ "emailAddress": "Augusta@Example.com" }] });
        let send = || async { crm.keyed("k").only_if(&[&before]).update(&id, change()).await };
        crm.at.fault(Fault::once(FaultKind::AppliedThen { status: 500 }).on_writes());
        crm.at.fault(Fault::always(status(403)).on("GET", &crm.world.contact_path("*")).after(1));
        assert_eq!(send().await.unwrap_err().kind, FailureKind::UpstreamError);
        crm.at.faults().clear();
        let told = send().await.unwrap();
        let email = told.body["contact"]["emailAddresses"][0]["emailAddress"].as_str().unwrap();
        assert_eq!(email.to_lowercase(), "augusta@example.com");
        assert_eq!(told.tag(), Some(tag(&crm, &id).await.as_str()));
    }
}

#[tokio::test]
async fn a_replay_of_a_lost_removal_is_not_refused_for_its_own_removal() {
    for crm in removing().await {
        let id = crm.put_rich();
        let before = tag(&crm, &id).await;
        let send = || async { crm.keyed("k").only_if(&[&before]).delete(&id).await };
        crm.at.fault(Fault::once(FaultKind::AppliedThen { status: 500 }).on_writes());
        crm.at.fault(Fault::always(status(403)).on("GET", &crm.world.contact_path("*")).after(1));
        assert_eq!(send().await.unwrap_err().kind, FailureKind::UpstreamError);
        assert!(crm.at.contacts().is_empty());
        crm.at.faults().clear();
        assert_eq!((send().await.unwrap().status, crm.sent().len()), (200, 1));
    }
}

#[tokio::test]
async fn a_replay_of_a_change_that_was_not_applied_checks_the_condition() {
    for crm in all().await {
        let id = crm.put_rich();
        let before = tag(&crm, &id).await;
        lose(&crm, &id, &before, status(500)).await;
        another_writer_sets(&crm, &id, &json!({ first_name(&crm): "Will" }));
        let refused = resend(&crm, &id, &before).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::ContactChanged);
        assert_eq!(refused.entity_tag.as_deref(), Some(tag(&crm, &id).await.as_str()));
        crm.assert_nothing_sent();
        // As it was when it was read: the change is sent.
        crm.put_rich();
        let told = resend(&crm, &id, &before).await.unwrap();
        assert_eq!((told.body["contact"]["firstName"].as_str(), crm.sent().len()), (Some("Augusta"), 1));
    }
}

#[tokio::test]
async fn a_change_whose_response_was_lost_is_not_sent_again_over_another_writer_s_change() {
    for crm in all().await {
        let id = crm.put_rich();
        let before = tag(&crm, &id).await;
        crm.at.fault(Fault::always(FaultKind::NeverAnswer).on_writes());
        let change = json!({ "firstName": "Augusta" });
        let ((), outcome) = tokio::join!(
            async {
                let began = Instant::now();
                while crm.sent().is_empty() {
                    assert!(began.elapsed() < Duration::from_secs(20));
                    sleep(Duration::from_millis(5)).await;
                }
                another_writer_sets(&crm, &id, &json!({ first_name(&crm): "Will" }));
                crm.at.faults().clear();
            },
            crm.keyed("k").only_if(&[&before]).within(4000).update(&id, change),
        );
        let failure = outcome.unwrap_err();
        assert_eq!(failure.kind, FailureKind::UpstreamTimeout, "{failure:?}");
        assert_eq!(crm.sent().len(), 1, "it was sent once");
        assert_eq!(crm.get(&id).await.unwrap().contact.first_name.as_deref(), Some("Will"));
    }
}
