//! Conditions on writes: a change that does not match its `If-Match` is not sent, and a tag means the same to everybody.

use std::collections::BTreeMap;
use std::time::Duration;

use contacts_gateway::domain::{FailureKind, Retryable, WarningCode};
use contacts_gateway::simulators::pipeline::{self, SingleRead};
use contacts_gateway::simulators::{Fault, FaultKind, aptly};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::keyed::Told;
use crate::support::person::{ada, with};
use crate::support::world::{Crm, both, warned};

/// Ada as each CRM keeps her, with everything that can be written and more that only the CRM sets.
fn rich(crm: &Crm) -> Value {
    if crm.is("aptly") {
        json!({ "_id": "rich", "firstname": "Ada", "lastname": "Byron", "company": "Engines", "contactType": "Tenant", "title": "Countess",
            "isCompany": false, "email": ["ada@example.com", "byron@example.com"], "customFields": { "5D8LYiyMt54aKD7x9": "Primary Tenant" },
            "phone": [{ "number": "+14165550277", "type": "home" }, { "number": "(416) 555-0278", "type": "work" }],
            "address": { "street": "1 Example Street", "city": "Springfield" }, "imageUrl": "https://images.example.com/a.png", "alerts": [] })
    } else {
        json!({ "_id": "rich", "firstName": "Ada", "lastName": "Byron", "process": "import", "score": 3, "status": "New Lead",
            "pipelineId": "64f0a1b2c3d4e5f6a7b8c9d1", "pipelineStage": "64f0a1b2c3d4e5f6a7b8c9d2",
            "email": [{ "value": "byron@example.com", "isPrimary": false }, { "value": "ada@example.com", "isPrimary": true }],
            "phoneNumber": [{ "value": "+14165550278", "isPrimary": false }, { "value": "+14165550277", "isPrimary": true }] })
    }
}

/// Puts Ada in; her id.
fn put(crm: &Crm) -> String {
    crm.at.put(rich(crm)).unwrap()
}

/// What somebody else does at the CRM, without the gateway.
fn another_writer_sets(crm: &Crm, id: &str, fields: &Value) {
    let record = with(crm.at.contact(id).unwrap(), fields);
    assert_eq!(crm.at.put(record).as_deref(), Some(id));
}

/// The CRM's name of the first name.
fn first_name(crm: &Crm) -> &'static str {
    if crm.is("aptly") { "firstname" } else { "firstName" }
}

async fn tag(crm: &Crm, id: &str) -> String {
    crm.get(id).await.unwrap().tag.unwrap().as_str().to_owned()
}

/// Both CRMs, where the pipeline CRM's contacts may be removed.
async fn both_removing() -> [Crm; 2] {
    let pipeline = Crm::pipeline(pipeline::PipelineOptions::empty(), json!({ "allowDelete": true })).await;
    [Crm::aptly(aptly::AptlyOptions::empty(), json!({})).await, pipeline]
}

#[tokio::test]
async fn two_clients_who_edit_one_contact_lose_no_change() {
    for crm in both().await {
        let id = put(&crm);
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
    for crm in both().await {
        let changes = if crm.is("aptly") {
            vec![
                json!({ "firstname": "Augusta" }),
                json!({ "firstname": "" }),
                json!({ "lastname": "King" }),
                json!({ "company": "Looms" }),
                json!({ "email": ["ada@example.com"] }),
                json!({ "email": ["byron@example.com", "ada@example.com"] }),
                json!({ "phone": [{ "number": "+14165550277", "type": "home" }] }),
                json!({ "phone": [{ "number": "(416) 555-0278", "type": "work" }, { "number": "+14165550277", "type": "home" }] }),
                json!({ "phone": [{ "number": "+14165550277", "type": "mobile" }, { "number": "(416) 555-0278", "type": "work" }] }),
                json!({ "title": "Lady" }),
                json!({ "contactType": "Owner" }),
                json!({ "isCompany": true }),
                json!({ "imageUrl": null }),
                json!({ "customFields": { "5D8LYiyMt54aKD7x9": "Guest" } }),
                json!({ "customFields": {} }),
            ]
        } else {
            vec![
                json!({ "firstName": "Augusta" }),
                json!({ "firstName": null }),
                json!({ "lastName": "King" }),
                json!({ "email": [{ "value": "ada@example.com", "isPrimary": true }] }),
                json!({ "email": [{ "value": "byron@example.com", "isPrimary": true }, { "value": "ada@example.com", "isPrimary": false }] }),
                json!({ "phoneNumber": [{ "value": "+14165550277", "isPrimary": true }] }),
                json!({ "phoneNumber": [{ "value": "+14165550278", "isPrimary": true }, { "value": "+14165550277", "isPrimary": false }] }),
                json!({ "status": "Touring" }),
                json!({ "pipelineStage": "64f0a1b2c3d4e5f6a7b8c9ff" }),
                json!({ "pipelineId": "64f0a1b2c3d4e5f6a7b8c9fe" }),
                json!({ "process": "export" }),
            ]
        };
        let id = put(&crm);
        let mut seen = BTreeMap::from([(tag(&crm, &id).await, json!("as it was"))]);
        for change in changes {
            put(&crm);
            another_writer_sets(&crm, &id, &change);
            let before = seen.insert(tag(&crm, &id).await, change.clone());
            assert_eq!(before, None, "{change} looks the same");
        }
        put(&crm);
        let again = tag(&crm, &id).await;
        assert_eq!(seen.get(&again), Some(&json!("as it was")), "what was undone is as it was");
    }
}

#[tokio::test]
async fn what_only_the_crm_sets_changes_no_tag() {
    for crm in both().await {
        let changes = if crm.is("aptly") {
            json!({ "updatedAt": "2030-01-01T00:00:00.000Z", "createdAt": "2020-01-01T00:00:00.000Z", "duogram": "XX",
                "alerts": [{ "text": "call back" }], "address": { "street": "2 Example Street" }, "photoId": "p" })
        } else {
            json!({ "updatedAt": "2030-01-01T00:00:00.000Z", "createdAt": "2020-01-01T00:00:00.000Z", "__v": 7, "score": 9,
                "assignees": [], "isUpdated": true, "lastMessageTime": "2030-01-01T00:00:00.000Z", "latestMessage": { "text": "hi" } })
        };
        let id = put(&crm);
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
    for crm in both().await {
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
    for crm in both().await {
        let id = put(&crm);
        let before = tag(&crm, &id).await;
        // The read before the write goes well, every read after it fails.
        let gone = FaultKind::AppliedThen { status: 503 };
        crm.at.fault(Fault::always(gone).on("GET", "/api/contacts/*").after(1));
        let change = json!({ "firstName": "Augusta" });
        let changed = crm.update_if(&[&before], &id, change).await.unwrap();
        assert!(warned(&changed).contains(&(WarningCode::NotVerified, "")), "{:?}", changed.warnings);
        assert_eq!(changed.tag, None);
        crm.at.faults().clear();
        assert_ne!(tag(&crm, &id).await, before);
    }
    let options = pipeline::PipelineOptions {
        single_read: SingleRead::AbsentHtml,
        ..pipeline::PipelineOptions::empty()
    };
    let crm = Crm::pipeline(options, json!({})).await;
    let created = crm.create(ada()).await.unwrap();
    assert_eq!(created.contact.first_name.as_deref(), Some("Ada"));
    assert_eq!(created.tag, None, "it was found in the list");
}

#[tokio::test]
async fn only_one_of_the_tags_must_match_and_a_weak_or_foreign_one_never_does() {
    for crm in both_removing().await {
        let id = put(&crm);
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
    let [_, crm] = both_removing().await;
    let id = put(&crm);
    let stale = tag(&crm, &id).await;
    another_writer_sets(&crm, &id, &json!({ "firstName": "Augusta" }));
    assert_eq!(crm.delete_if(&[&stale], &id).await.unwrap_err().kind, FailureKind::ContactChanged);
    crm.assert_nothing_sent();
    let now = tag(&crm, &id).await;
    crm.delete_if(&[&now], &id).await.unwrap();
    assert!(crm.at.contacts().is_empty());
    let id = put(&crm);
    crm.delete_if(&["*"], &id).await.unwrap();
    let id = put(&crm);
    crm.at.journal().clear();
    crm.delete(&id).await.unwrap();
    assert_ne!(crm.at.calls()[0].method, "GET", "{:?}", crm.at.calls());
}

#[tokio::test]
async fn a_contact_that_is_not_there_is_not_found_whatever_the_condition() {
    for crm in both_removing().await {
        let id = put(&crm);
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
    for crm in both().await {
        let id = put(&crm);
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
    for crm in both().await {
        let id = put(&crm);
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
    crm.at.fault(Fault::always(status(403)).on("GET", "/api/contacts/*").after(1));
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
    for crm in both().await {
        let id = put(&crm);
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
    for crm in both().await {
        let id = put(&crm);
        let before = tag(&crm, &id).await;
        let change = || json!({ "firstName": "Augusta", "emailAddresses": [{ "emailAddress": "Augusta@Example.com" }] });
        let send = || async { crm.keyed("k").only_if(&[&before]).update(&id, change()).await };
        crm.at.fault(Fault::once(FaultKind::AppliedThen { status: 500 }).on_writes());
        crm.at.fault(Fault::always(status(403)).on("GET", "/api/contacts/*").after(1));
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
    let [_, crm] = both_removing().await;
    let id = put(&crm);
    let before = tag(&crm, &id).await;
    let send = || async { crm.keyed("k").only_if(&[&before]).delete(&id).await };
    crm.at.fault(Fault::once(FaultKind::AppliedThen { status: 500 }).on_writes());
    crm.at.fault(Fault::always(status(403)).on("GET", "/api/contacts/*").after(1));
    assert_eq!(send().await.unwrap_err().kind, FailureKind::UpstreamError);
    assert!(crm.at.contacts().is_empty());
    crm.at.faults().clear();
    assert_eq!((send().await.unwrap().status, crm.sent().len()), (200, 1));
}

#[tokio::test]
async fn a_replay_of_a_change_that_was_not_applied_checks_the_condition() {
    for crm in both().await {
        let id = put(&crm);
        let before = tag(&crm, &id).await;
        lose(&crm, &id, &before, status(500)).await;
        another_writer_sets(&crm, &id, &json!({ first_name(&crm): "Will" }));
        let refused = resend(&crm, &id, &before).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::ContactChanged);
        assert_eq!(refused.entity_tag.as_deref(), Some(tag(&crm, &id).await.as_str()));
        crm.assert_nothing_sent();
        // As it was when it was read: the change is sent.
        put(&crm);
        let told = resend(&crm, &id, &before).await.unwrap();
        assert_eq!((told.body["contact"]["firstName"].as_str(), crm.sent().len()), (Some("Augusta"), 1));
    }
}

#[tokio::test]
async fn a_change_whose_response_was_lost_is_not_sent_again_over_another_writer_s_change() {
    for crm in both().await {
        let id = put(&crm);
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
