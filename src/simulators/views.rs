//! Views: responses that omit fields or show other values than stored, until a test removes the view.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::disruption::plain;
use super::faults::SharedList;

/// A kind of response with contacts. CRMs show different fields in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The response to a read of one contact.
    Single,
    Row,
    /// The response to a write.
    Written,
}

/// How responses differ from the stored contacts. Unset limits match every response and contact.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    #[serde(default)]
    pub reading: Option<Reading>,
    #[serde(default)]
    pub contact: Option<String>,
    /// Fields that are omitted; letter case, spaces and underscores are ignored. The id is omitted only by its exact name.
    #[serde(default)]
    pub without: Vec<String>,
    /// Fields that are shown with these values instead of the stored ones.
    #[serde(default)]
    pub with: Map<String, Value>,
}

impl View {
    /// For this kind of response.
    #[must_use]
    pub fn of(reading: Reading) -> Self {
        Self { reading: Some(reading), ..Self::default() }
    }

    /// For every kind of response.
    #[must_use]
    pub fn everywhere() -> Self {
        Self::default()
    }

    /// Only for this contact.
    #[must_use]
    pub fn contact(mut self, id: &str) -> Self {
        self.contact = Some(id.to_owned());
        self
    }

    #[must_use]
    pub fn without(mut self, fields: &[&str]) -> Self {
        self.without.extend(fields.iter().map(|field| (*field).to_owned()));
        self
    }

    /// Shows this value for a field.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.with.insert(field.to_owned(), value);
        self
    }

    fn change(&self, reading: Reading, id_key: &str, record: &mut Map<String, Value>) {
        let id = record.get(id_key).and_then(Value::as_str);
        let other = self.contact.as_deref().is_some_and(|wanted| id != Some(wanted));
        if other || self.reading.is_some_and(|wanted| wanted != reading) {
            return;
        }
        let hidden = |key: &str| self.without.iter().any(|field| field == key || same(field, key, id_key));
        record.retain(|key, _| !hidden(key));
        record.extend(self.with.clone());
    }
}

/// The id, such as `_id`, and another field, such as `id`, are different fields.
fn same(field: &str, key: &str, id_key: &str) -> bool {
    field != id_key && key != id_key && plain(field) == plain(key)
}

impl SharedList<View> {
    /// The JSON `body` in these views; anything else is returned unchanged.
    pub(crate) fn apply(&self, reading: Reading, id_key: &str, body: Vec<u8>) -> Vec<u8> {
        let views = self.all();
        if views.is_empty() {
            return body;
        }
        let Ok(mut answer) = serde_json::from_slice(&body) else { return body };
        walk(&views, reading, id_key, &mut answer);
        answer.to_string().into_bytes()
    }
}

/// A record is the outermost object with the CRM's id.
fn walk(views: &[View], reading: Reading, id_key: &str, value: &mut Value) {
    let mut enter = |value| walk(views, reading, id_key, value);
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(enter),
        Value::Object(record) if record.contains_key(id_key) => {
            for view in views {
                view.change(reading, id_key, record);
            }
        }
        Value::Object(members) => members.values_mut().for_each(&mut enter),
        _ => {}
    }
}
