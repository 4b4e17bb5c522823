//! What a CRM holds, in the words of the unified API: read from the stored record, by the CRM's contract.

use serde_json::{Map, Value, json};

use crate::api::word;
use crate::backends::Provider;

/// A stored contact. Lists are in the stored order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) account: String,
    /// Address and type.
    pub(crate) emails: Vec<(String, String)>,
    /// Number and type.
    pub(crate) phones: Vec<(String, String)>,
    pub(crate) has_address: bool,
    pub(crate) record: Map<String, Value>,
}

/// Fields that each CRM sets by itself at every write.
const COMPUTED: [&str; 4] = ["updatedAt", "createdAt", "__v", "_id"];

impl Held {
    pub(crate) fn of(provider: Provider, record: &Value) -> Self {
        let record = record.as_object().cloned().unwrap_or_default();
        let text = |key: &str| record.get(key).map(word).unwrap_or_default().to_owned();
        match provider {
            Provider::Aptly => Self {
                first_name: text("firstname"),
                last_name: text("lastname"),
                account: text("company"),
                emails: emails_by_place(&list(&record, "email")),
                phones: list(&record, "phone")
                    .iter()
                    .map(|entry| (word(&entry["number"]).to_owned(), word(&entry["type"]).to_owned()))
                    .collect(),
                has_address: record
                    .get("address")
                    .and_then(Value::as_object)
                    .is_some_and(|address| !address.is_empty()),
                record,
            },
            Provider::Pipeline => Self {
                first_name: text("firstName"),
                last_name: text("lastName"),
                account: String::new(),
                emails: match record.get("email") {
                    Some(Value::String(only)) => vec![(only.clone(), "main".to_owned())],
                    Some(Value::Array(entries)) => {
                        entries.iter().map(|entry| flagged(entry, "main")).collect()
                    }
                    _ => Vec::new(),
                },
                phones: list(&record, "phoneNumber").iter().map(|entry| flagged(entry, "primary")).collect(),
                has_address: false,
                record,
            },
        }
    }

    /// The stored fields, by their own names, that differ from `before` and are not computed.
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<String> {
        let mut keys: Vec<&String> = before.record.keys().chain(self.record.keys()).collect();
        keys.sort();
        keys.dedup();
        let computed = |key: &str| COMPUTED.contains(&key);
        let differs = |key: &&&String| {
            let of = |record: &Map<String, Value>| {
                record.get(key.as_str()).cloned().filter(|value| !is_empty(value))
            };
            of(&before.record) != of(&self.record)
        };
        keys.iter().filter(|key| !computed(key)).filter(differs).map(|key| (**key).clone()).collect()
    }

    /// The raw stored entries of a list.
    pub(crate) fn entries(&self, key: &str) -> Vec<Value> {
        list(&self.record, key)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn list(record: &Map<String, Value>, key: &str) -> Vec<Value> {
    record.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn emails_by_place(all: &[Value]) -> Vec<(String, String)> {
    let kind = |place: usize| if place == 0 { "main" } else { "secondary" };
    all.iter().enumerate().map(|(place, email)| (word(email).to_owned(), kind(place).to_owned())).collect()
}

fn flagged(entry: &Value, main: &str) -> (String, String) {
    let value = entry.as_str().unwrap_or_else(|| word(&entry["value"])).to_owned();
    (value, if entry["isPrimary"] == true { main } else { "secondary" }.to_owned())
}

/// The number in place `n` of the people of this test.
pub(crate) fn number(n: usize) -> String {
    format!("+1416555{:04}", 200 + n)
}

/// The address in place `n`.
pub(crate) fn address(n: usize) -> String {
    format!("ada{n}@example.com")
}

/// A contact that has more than one of everything, with types that no rule would give its numbers.
pub(crate) fn rich(provider: Provider) -> Value {
    match provider {
        Provider::Aptly => json!({
            "firstname": "Ada", "lastname": "Byron", "company": "Engines", "contactType": "Tenant", "title": "Countess",
            "email": [address(0), address(1)],
            "phone": [{ "number": number(0), "type": "work" }, { "number": number(1), "type": "mobile" }],
            "customFields": { "5D8LYiyMt54aKD7x9": "Primary Tenant" },
            "address": { "street": "1 Example Street", "city": "Springfield", "state": "CA", "zip": "90000" },
            "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-02-01T00:00:00Z",
        }),
        Provider::Pipeline => json!({
            "firstName": "Ada", "lastName": "Byron", "process": "import", "source": "manual",
            "email": [{ "value": address(0), "isPrimary": true, "verifiedAt": "2026-01-01T00:00:00.000Z" },
                { "value": address(1), "isPrimary": false }],
            "phoneNumber": [{ "value": number(0), "isPrimary": false, "verifiedAt": "2026-02-01T00:00:00.000Z",
                    "verifiedBy": "u1", "verificationSource": "sms" },
                { "value": number(1), "isPrimary": true }],
            "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-02-01T00:00:00Z",
        }),
    }
}
