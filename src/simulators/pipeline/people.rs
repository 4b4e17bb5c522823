//! The invented people as contacts of the pipeline CRM.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::stages::SalesPipelines;
use super::users;
use crate::simulators::clock::stored;
use crate::simulators::people::{Person, Rng};

pub(super) const HEX: &[u8] = b"0123456789abcdef";

/// One person in this CRM's format.
pub(super) fn record(
    index: usize,
    person: &Person,
    pipelines: &SalesPipelines,
    now: Timestamp,
) -> Map<String, Value> {
    let mut rng = person.rng.clone();
    let before = |time: Timestamp, seconds: u64| {
        let ago = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default());
        time.checked_sub(ago).unwrap_or(time)
    };
    let updated = before(now, u64::from(person.changed) * 86_400 + rng.below(86_400_000) / 1000);
    let created = before(updated, u64::from(person.noted - person.changed) * 86_400 + rng.below(86_400));
    let phones = person.phones.iter().enumerate().map(|(index, number)| {
        let mut entry = json!({ "value": number, "isPrimary": index == 0 });
        if let (Value::Object(entry), true) = (&mut entry, rng.one_in(8)) {
            entry.insert("verifiedAt".to_owned(), json!(stored(updated)));
            entry.insert("verifiedBy".to_owned(), json!(users::id(0)));
            entry.insert("verificationSource".to_owned(), json!("manual"));
        }
        entry
    });
    let mut record = Map::from_iter([
        ("phoneNumber".to_owned(), phones.collect::<Value>()),
        ("email".to_owned(), email(person)),
        ("userId".to_owned(), json!(users::id(index % 3))),
        ("createdAt".to_owned(), json!(stored(created))),
        ("updatedAt".to_owned(), json!(stored(updated))),
    ]);
    let names = [("firstName", person.first.as_str()), ("lastName", person.last.as_str())];
    for (key, name) in names.into_iter().filter(|(_, name)| !name.is_empty()) {
        record.insert(key.to_owned(), json!(name));
    }
    add_stage(&mut record, pipelines, &mut rng);
    if rng.one_in(3) {
        record.insert("lastMessageTime".to_owned(), json!(stored(before(now, rng.below(8_000_000)))));
    }
    record.insert("source".to_owned(), json!(if rng.one_in(2) { "manual" } else { "outreach" }));
    record
}

/// No address, a text, or entries: all three exist.
fn email(person: &Person) -> Value {
    match person.emails.as_slice() {
        [] => Value::Null,
        [only] => json!(only),
        several => several
            .iter()
            .enumerate()
            .map(|(index, email)| json!({ "value": email, "isPrimary": index == 0 }))
            .collect(),
    }
}

fn add_stage(record: &mut Map<String, Value>, pipelines: &SalesPipelines, rng: &mut Rng) {
    let default = pipelines.pipeline(None);
    let pipeline = if rng.one_in(10) { pipelines.0.get(1).or(default) } else { default };
    let Some((pipeline, stage)) = pipeline.and_then(|pipeline| Some((pipeline, rng.pick(&pipeline.stages)?)))
    else {
        return;
    };
    record.insert("pipelineId".to_owned(), json!(pipeline.id));
    record.insert("pipelineStage".to_owned(), json!(stage.id));
    record.insert("status".to_owned(), json!(stage.name));
}
