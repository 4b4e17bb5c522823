//! Values that a CRM stores otherwise than they were written, without a mistake of anybody's.

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

/// Composes every text of a record (NFC).
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

/// Entries of `from` that `into` lacks, by the text that `named` finds in them; what a merge does to lists.
pub(crate) fn add_missing(into: &mut Vec<Value>, from: &[Value], named: fn(&Value) -> &str) {
    for entry in from {
        if !into.iter().any(|known| named(known).eq_ignore_ascii_case(named(entry))) {
            into.push(entry.clone());
        }
    }
}
