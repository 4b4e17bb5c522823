//! The pipeline CRM's stored contacts, unique by phone number, with their conversations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::stages::SalesPipelines;
use super::{entries, people, stages, users};
use crate::simulators::Disruption;
use crate::simulators::clock::{read, stored};
use crate::simulators::disruption::add_missing;
use crate::simulators::people::{Person, Rng};

pub(super) type PipelineRecord = Map<String, Value>;

pub(super) struct PipelineRecords {
    all: BTreeMap<String, PipelineRecord>,
    rng: Rng,
    pub pipelines: SalesPipelines,
}

impl PipelineRecords {
    pub(super) fn new(invented: &[Person], now: Timestamp) -> Self {
        let pipelines = SalesPipelines::initial();
        let mut records = Self { all: BTreeMap::new(), rng: Rng::new(0x7E7), pipelines };
        for (index, person) in invented.iter().enumerate() {
            let record = people::record(index, person, &records.pipelines, now);
            records.put(record, now);
        }
        records
    }

    pub(super) fn get(&self, id: &str) -> Option<&PipelineRecord> {
        self.all.get(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &PipelineRecord> {
        self.all.values()
    }

    pub(super) fn new_id(&mut self) -> String {
        self.rng.id(people::HEX, 24)
    }

    /// Adds a record unchanged, except that missing fields are filled in.
    pub(super) fn put(&mut self, mut record: PipelineRecord, now: Timestamp) -> String {
        let given = record.get("_id").and_then(Value::as_str).map(str::to_owned);
        let id = given.unwrap_or_else(|| self.new_id());
        record.insert("_id".to_owned(), json!(id));
        for key in ["createdAt", "updatedAt"] {
            let time = record.get(key).and_then(Value::as_str).and_then(read).unwrap_or(now);
            record.insert(key.to_owned(), json!(stored(time)));
        }
        let owner = record.entry("userId").or_insert_with(|| json!(users::id(0))).clone();
        record.entry("createdBy").or_insert_with(|| owner.clone());
        record.entry("assignees").or_insert_with(|| json!([owner]));
        record.entry("organizationId").or_insert_with(|| json!(users::ORGANIZATION));
        record.entry("phoneNumber").or_insert_with(|| json!([]));
        record.entry("secondaryPhoneNumber").or_insert_with(|| json!([]));
        record.entry("__v").or_insert_with(|| json!(0));
        if !record.contains_key("status") {
            // The default pipeline always exists.
            let _ = stages::settle(&self.pipelines, &Map::new(), &mut record, true);
        }
        self.all.insert(id.clone(), record);
        id
    }

    /// Stores a write, with its fault. Returns the record in the response.
    pub(super) fn write(
        &mut self,
        id: &str,
        record: PipelineRecord,
        disruption: Option<&Disruption>,
    ) -> PipelineRecord {
        let before = self.all.get(id).cloned();
        let mut stored = record.clone();
        if let Some(disruption) = disruption {
            disruption.disrupt(before.as_ref(), &mut stored);
        }
        let version = before.as_ref().and_then(|before| before.get("__v")).and_then(Value::as_u64);
        stored.insert("__v".to_owned(), json!(version.map_or(0, |version| version + 1)));
        self.all.insert(id.to_owned(), stored.clone());
        if disruption.is_some_and(|disruption| disruption.lies) { record } else { stored }
    }

    /// Changes fields as another client would; version and update time increase.
    pub(super) fn change(&mut self, id: &str, fields: &PipelineRecord, now: Timestamp) -> bool {
        let Some(mut record) = self.all.get(id).cloned() else { return false };
        record.extend(fields.clone());
        record.insert("updatedAt".to_owned(), json!(stored(now)));
        self.write(id, record, None);
        true
    }

    /// Merges `other` into `primary`, which gets the numbers that it lacks.
    pub(super) fn merge(&mut self, primary: &str, other: &str, now: Timestamp) -> bool {
        if primary == other || !self.all.contains_key(primary) {
            return false;
        }
        let Some(gone) = self.all.remove(other) else { return false };
        let numbers = |record: &PipelineRecord| {
            record.get("phoneNumber").and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let mut entries = self.all.get(primary).map(numbers).unwrap_or_default();
        add_missing(&mut entries, &numbers(&gone), entries::value);
        entries::one_primary(&mut entries);
        self.change(
            primary,
            &PipelineRecord::from_iter([("phoneNumber".to_owned(), Value::Array(entries))]),
            now,
        )
    }

    /// Removes contacts with their conversations. Returns the ids and the number of conversations.
    pub(super) fn delete(&mut self, ids: &[&str]) -> (Vec<String>, u64) {
        let gone: Vec<_> =
            ids.iter().filter(|id| self.all.remove(**id).is_some()).map(|id| (*id).to_owned()).collect();
        let conversations = gone.iter().map(|id| conversations(id)).sum();
        (gone, conversations)
    }

    /// Removes all contacts, as the mass deletion does.
    pub(super) fn clear(&mut self) -> Vec<String> {
        std::mem::take(&mut self.all).into_keys().collect()
    }

    /// Another contact that has one of these numbers.
    pub(super) fn holder_of(&self, numbers: &[&str], except: Option<&str>) -> Option<&PipelineRecord> {
        let others = self.all.iter().filter(|(id, _)| except != Some(id.as_str()));
        others.map(|(_, record)| record).find(|record| {
            let primary = entries::values(record.get("phoneNumber"));
            let further = entries::values(record.get("secondaryPhoneNumber"));
            primary.iter().chain(&further).any(|number| numbers.contains(number))
        })
    }
}

/// The number of conversations of a contact, derived from its id.
fn conversations(id: &str) -> u64 {
    id.bytes().last().map_or(0, |byte| u64::from(byte % 4))
}
