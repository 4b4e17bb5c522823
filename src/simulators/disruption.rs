//! Values that are stored differently than they were written, because of a fault or because the CRM normalises them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

use super::fault_kinds::FaultField;

/// A fault in one field: it is not stored as requested, but the response reports success.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Disruption {
    /// The CRM's name of the field (`firstname`, `email`, `phoneNumber`, `customFields/<id>`). Case, spaces and
    /// underscores are ignored.
    pub field: String,
    /// True: the field is not written. False: its value is altered.
    #[serde(default)]
    pub drop: bool,
    /// The value that is stored; by default a slightly changed one.
    #[serde(default)]
    pub value: Option<Value>,
    /// Whether the response shows the requested value instead of the stored one.
    #[serde(default)]
    pub lies: bool,
}

impl Disruption {
    pub(super) const FIELDS: &'static [FaultField] = &[
        FaultField::new::<String>("field", false),
        FaultField::new::<bool>("drop", true),
        FaultField::new::<Option<Value>>("value", false),
        FaultField::new::<bool>("lies", true),
    ];

    /// A field that is not written.
    #[must_use]
    pub fn dropping(field: &str) -> Self {
        Self { field: field.to_owned(), drop: true, value: None, lies: false }
    }

    /// A field that is stored with a slightly changed value.
    #[must_use]
    pub fn altering(field: &str) -> Self {
        Self { drop: false, ..Self::dropping(field) }
    }

    /// Changes a record before it is stored; `before` is the stored record.
    pub(crate) fn disrupt(&self, before: Option<&Map<String, Value>>, record: &mut Map<String, Value>) {
        let (outer, inner) = match self.field.split_once('/') {
            Some((outer, inner)) => (outer, Some(inner)),
            None => (self.field.as_str(), None),
        };
        let Some(key) = record.keys().find(|key| plain(key) == plain(outer)).cloned() else { return };
        let old = before.and_then(|before| before.get(&key));
        match inner {
            None => self.change(old, record, &key),
            Some(inner) => {
                let old = old.and_then(|old| old.get(inner)).cloned();
                if let Some(Value::Object(nested)) = record.get_mut(&key) {
                    self.change(old.as_ref(), nested, inner);
                }
            }
        }
    }

    fn change(&self, old: Option<&Value>, into: &mut Map<String, Value>, key: &str) {
        if !self.drop {
            let Some(current) = into.get_mut(key) else { return };
            *current = self.value.clone().unwrap_or_else(|| slightly_different(current));
            return;
        }
        let empty = into.get(key).map_or(Value::Null, emptied);
        into.insert(key.to_owned(), old.cloned().unwrap_or(empty));
    }
}

/// A name without case, spaces and underscores.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '_')).flat_map(char::to_lowercase).collect()
}

fn emptied(value: &Value) -> Value {
    match value {
        Value::Array(_) => Value::Array(Vec::new()),
        Value::String(_) => Value::String(String::new()),
        _ => Value::Null,
    }
}

/// A list without its last entry, or with its only entry changed; a text with one more letter.
fn slightly_different(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{text}x")),
        Value::Bool(flag) => Value::Bool(!flag),
        Value::Number(number) => Value::from(number.as_f64().unwrap_or_default() + 1.0),
        Value::Null => Value::from("altered"),
        Value::Array(entries) => match entries.as_slice() {
            [] => Value::Array(vec![Value::from("altered")]),
            [only] => Value::Array(vec![slightly_different(only)]),
            [kept @ .., _] => Value::Array(kept.to_vec()),
        },
        Value::Object(fields) => {
            let mut fields = fields.clone();
            let name = ["number", "value"].into_iter().find(|name| fields.contains_key(*name));
            if let Some(text) = name.and_then(|name| fields.get_mut(name)) {
                *text = match text.as_str() {
                    Some(number) => Value::String(other_last_digit(number)),
                    None => slightly_different(text),
                };
            }
            Value::Object(fields)
        }
    }
}

fn other_last_digit(number: &str) -> String {
    let mut text = number.to_owned();
    let last = text.pop();
    text.push(if last == Some('7') { '8' } else { '7' });
    text
}

/// Normalises every text of a record to NFC.
pub(crate) fn compose(record: &mut Map<String, Value>) {
    record.values_mut().for_each(compose_value);
}

fn compose_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.nfc().collect(),
        Value::Array(elements) => elements.iter_mut().for_each(compose_value),
        Value::Object(members) => members.values_mut().for_each(compose_value),
        _ => {}
    }
}

/// Adds the entries of `from` that `into` lacks, compared by the text that `named` returns; a merge does this to lists.
pub(crate) fn add_missing(into: &mut Vec<Value>, from: &[Value], named: fn(&Value) -> &str) {
    for entry in from {
        if !into.iter().any(|known| named(known).eq_ignore_ascii_case(named(entry))) {
            into.push(entry.clone());
        }
    }
}
