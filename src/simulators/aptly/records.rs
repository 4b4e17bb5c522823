//! Aptly's stored contacts and the upsert that writes them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::change::RecordChange;
use super::{AptlyOptions, UnknownWrite, fields};
use crate::simulators::clock::{read, stored};
use crate::simulators::disruption::add_missing;
use crate::simulators::people::{Person, Rng};
use crate::simulators::{Disruption, WriteEffect};

pub(super) type AptlyRecord = Map<String, Value>;

const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz";

pub(super) struct AptlyRecords {
    all: BTreeMap<String, AptlyRecord>,
    rng: Rng,
}

pub(super) enum AptlyRefusal {
    BadRequest(String),
    NotFound,
    /// The write reports success and has no effect.
    Ignored,
}

/// The result of a write: the record in the response.
pub(super) struct Written {
    pub shown: AptlyRecord,
    pub applied: WriteEffect,
}

impl AptlyRecords {
    pub(super) fn new(people: &[Person], now: Timestamp) -> Self {
        let mut records = Self { all: BTreeMap::new(), rng: Rng::new(0xA9717) };
        for person in people {
            let id = records.rng.id(ALPHABET, 17);
            records.all.insert(id.clone(), sample(&id, person, now));
        }
        records
    }

    pub(super) fn get(&self, id: &str) -> Option<&AptlyRecord> {
        self.all.get(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &AptlyRecord> {
        self.all.values()
    }

    /// Changes fields as another client would; the update time increases.
    pub(super) fn change(&mut self, id: &str, fields: &AptlyRecord, now: Timestamp) -> bool {
        let Some(record) = self.all.get_mut(id) else { return false };
        record.extend(fields.clone());
        record.insert("updatedAt".to_owned(), json!(stored(now)));
        true
    }

    /// Merges `other` into `primary`, which gets the addresses and numbers that it lacks.
    pub(super) fn merge(&mut self, primary: &str, other: &str, now: Timestamp) -> bool {
        if primary == other || !self.all.contains_key(primary) {
            return false;
        }
        let Some(gone) = self.all.remove(other) else { return false };
        let Some(record) = self.all.get_mut(primary) else { return false };
        for key in ["email", "phone"] {
            if let (Some(Value::Array(into)), Some(Value::Array(from))) = (record.get_mut(key), gone.get(key))
            {
                add_missing(into, from, said);
            }
        }
        record.insert("updatedAt".to_owned(), json!(stored(now)));
        true
    }

    pub(super) fn take_out(&mut self, id: &str) -> bool {
        self.all.remove(id).is_some()
    }

    /// Adds a record; missing fields are filled in.
    pub(super) fn put(&mut self, mut record: AptlyRecord, now: Timestamp) -> String {
        let given = record.get("_id").and_then(Value::as_str).map(str::to_owned);
        let id = given.unwrap_or_else(|| self.rng.id(ALPHABET, 17));
        record.insert("_id".to_owned(), json!(id));
        for key in ["createdAt", "updatedAt"] {
            let time = record.get(key).and_then(Value::as_str).and_then(read).unwrap_or(now);
            record.insert(key.to_owned(), json!(stored(time)));
        }
        self.all.insert(id.clone(), complete(record));
        id
    }

    /// The contact with an e-mail address, in any letter case.
    pub(super) fn by_email(&self, email: &str) -> Option<&AptlyRecord> {
        self.all.values().find(|record| has_email(record, email))
    }

    /// Aptly's upsert: by id, else by the first e-mail address, else a new contact.
    pub(super) fn upsert(
        &mut self,
        id: Option<&str>,
        change: &RecordChange,
        options: &AptlyOptions,
        disruption: Option<&Disruption>,
    ) -> Result<Written, AptlyRefusal> {
        let found = id.filter(|id| self.all.contains_key(*id)).map(str::to_owned);
        let target = match (found, id, options.unknown_write) {
            (Some(found), _, _) => Some(found),
            (None, Some(_), UnknownWrite::NotFound) => return Err(AptlyRefusal::NotFound),
            (None, Some(_), UnknownWrite::Ignored) => return Err(AptlyRefusal::Ignored),
            (None, Some(id), UnknownWrite::Creates) => {
                return self.write(id, true, change, options, disruption);
            }
            (None, _, _) => {
                let known = change.first_email().and_then(|email| self.by_email(email));
                known.and_then(|record| record.get("_id")).and_then(Value::as_str).map(str::to_owned)
            }
        };
        let new = target.is_none();
        let id = target.unwrap_or_else(|| self.rng.id(ALPHABET, 17));
        self.write(&id, new, change, options, disruption)
    }

    pub(super) fn write(
        &mut self,
        id: &str,
        new: bool,
        change: &RecordChange,
        options: &AptlyOptions,
        disruption: Option<&Disruption>,
    ) -> Result<Written, AptlyRefusal> {
        let before = self.all.get(id);
        let mut record =
            before.cloned().unwrap_or_else(|| complete(AptlyRecord::from_iter([("_id".into(), json!(id))])));
        change.apply(&mut record, options).map_err(AptlyRefusal::BadRequest)?;
        if options.needs_last_name && record.get("lastname").and_then(Value::as_str) == Some("") {
            return Err(AptlyRefusal::BadRequest("Last Name is required".to_owned()));
        }
        let now = json!(stored(options.clock.tick()));
        if new {
            record.insert("createdAt".to_owned(), now.clone());
        }
        record.insert("updatedAt".to_owned(), now);
        let asked = record.clone();
        if let Some(disruption) = disruption {
            disruption.disrupt(before, &mut record);
        }
        let shown = if disruption.is_some_and(|disruption| disruption.lies) { asked } else { record.clone() };
        self.all.insert(id.to_owned(), record);
        let applied =
            if new { WriteEffect::Created(id.to_owned()) } else { WriteEffect::Updated(id.to_owned()) };
        Ok(Written { shown, applied })
    }
}

/// The address or number of an entry.
fn said(entry: &Value) -> &str {
    entry.as_str().or_else(|| entry.get("number")?.as_str()).unwrap_or_default()
}

pub(super) fn has_email(record: &AptlyRecord, email: &str) -> bool {
    let emails = record.get("email").and_then(Value::as_array);
    let same =
        |stored: &Value| stored.as_str().is_some_and(|stored| stored.to_lowercase() == email.to_lowercase());
    emails.is_some_and(|all| all.iter().any(same))
}

/// Adds all missing fields as empty ones, so that a fault can name any of them.
fn complete(mut record: AptlyRecord) -> AptlyRecord {
    for key in ["firstname", "lastname", "title", "company", "imageUrl"] {
        record.entry(key).or_insert_with(|| json!(""));
    }
    record.entry("contactType").or_insert(Value::Null);
    record.entry("isCompany").or_insert(json!(false));
    record.entry("email").or_insert_with(|| json!([]));
    record.entry("phone").or_insert_with(|| json!([]));
    record.entry("customFields").or_insert_with(|| json!({}));
    record
}

fn sample(id: &str, person: &Person, now: Timestamp) -> AptlyRecord {
    let mut rng = person.rng.clone();
    let ago = |days: u32, rng: &mut Rng| {
        let seconds = i64::from(days) * 86_400 + i64::try_from(rng.below(86_000)).unwrap_or_default();
        now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(now)
    };
    let updated = ago(person.changed, &mut rng);
    let created = ago(person.noted, &mut rng).min(updated);
    let mut record = AptlyRecord::from_iter([
        ("_id".to_owned(), json!(id)),
        (
            "uuid".to_owned(),
            json!(format!("{:08x}-0000-4000-8000-{:012x}", rng.below(1 << 32), rng.below(1 << 48))),
        ),
        ("firstname".to_owned(), json!(person.first)),
        ("lastname".to_owned(), json!(person.last)),
        ("company".to_owned(), json!(person.company.as_deref().unwrap_or_default())),
        ("title".to_owned(), json!(person.title.as_deref().unwrap_or_default())),
        ("isCompany".to_owned(), json!(person.first.is_empty())),
        ("email".to_owned(), json!(person.emails)),
        ("createdAt".to_owned(), json!(stored(created))),
        ("updatedAt".to_owned(), json!(stored(updated))),
    ]);
    // Some people have no number here; only the other CRM requires one.
    let types = ["mobile", "work"];
    let phones = if rng.one_in(9) { &[][..] } else { &person.phones[..] };
    let phones = phones.iter().zip(types).map(|(number, kind)| json!({ "number": number, "type": kind }));
    record.insert("phone".to_owned(), phones.collect());
    if rng.one_in(4) {
        let address = json!({ "street": format!("{} Example Street", 1 + rng.below(200)), "city": "Springfield",
            "state": "CA", "zip": "90000" });
        record.insert("address".to_owned(), address);
    }
    if rng.one_in(6) {
        record.insert("imageUrl".to_owned(), json!(format!("https://images.example.com/{id}.png")));
    }
    let untyped = rng.one_in(10);
    if let Some(kind) =
        fields::TYPES.get(..fields::INVENTED).and_then(|types| rng.pick(types)).filter(|_| !untyped)
    {
        record.insert("contactType".to_owned(), json!(kind.name));
        let set = kind.fields.iter().filter(|_| rng.one_in(2));
        let custom: Map<_, _> = set.map(|field| (field.id.to_owned(), value(field.data_type))).collect();
        record.insert("customFields".to_owned(), Value::Object(custom));
    }
    complete(record)
}

fn value(data_type: &str) -> Value {
    match data_type {
        "boolean-checkbox" => json!(true),
        "number" => json!(3),
        "currency" => json!(1850.5),
        "date" => json!("2025-09-01"),
        "select" => json!("Plumbing"),
        _ => json!("Primary Tenant"),
    }
}
