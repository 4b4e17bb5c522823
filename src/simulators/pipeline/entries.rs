//! Phone and e-mail entries in writes and in stored form.

use rlibphonenumber::enums::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use serde_json::{Map, Value, json};

/// The fields of an entry, besides its value, that a write keeps.
const KEPT: [&str; 3] = ["verifiedAt", "verifiedBy", "verificationSource"];

/// The number in E.164; `None` if it is not a possible number.
pub(super) fn e164(text: &str, region: Region) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(text, Some(region)).ok()?;
    // A text that is not E.164 is read as digits, so an extension is appended to the number.
    let extension = number.extension.as_deref().unwrap_or_default();
    let written = format!("{}{extension}", number.format_as(PhoneNumberFormat::E164));
    // The library accepts other lengths; numbers in use have seven to fifteen digits.
    (8..=16).contains(&written.len()).then_some(written)
}

/// The numbers of a body in stored form: normalised, without duplicates, one of them primary.
pub(super) fn phones(given: &Value, region: Region) -> Result<Vec<Value>, String> {
    let given = given.as_array().filter(|entries| !entries.is_empty());
    let given = given.ok_or("phoneNumber must contain at least one entry of { value, isPrimary }")?;
    let mut stored: Vec<Value> = Vec::new();
    for entry in given {
        let text = entry.get("value").and_then(Value::as_str).ok_or("phoneNumber entries need a value")?;
        let number = e164(text, region).ok_or_else(|| format!("Invalid phone number: {text}"))?;
        if !stored.iter().any(|known| value(known) == number) {
            stored.push(keep(entry, &number));
        }
    }
    one_primary(&mut stored);
    Ok(stored)
}

/// E-mail addresses of a body (a text, or a list of entries or texts), in lower case.
pub(super) fn emails(given: &Value) -> Result<Value, String> {
    match given {
        Value::Null => Ok(Value::Null),
        Value::String(text) if text.trim().is_empty() => Ok(Value::Null),
        Value::String(text) => Ok(json!(address(text)?)),
        Value::Array(entries) => {
            let mut stored = Vec::new();
            for entry in entries {
                let text = entry.as_str().or_else(|| entry.get("value").and_then(Value::as_str));
                stored.push(keep(entry, &address(text.ok_or("email entries need a value")?)?));
            }
            one_primary(&mut stored);
            Ok(Value::Array(stored))
        }
        _ => Err("email must be a string or an array".to_owned()),
    }
}

/// The value of a stored entry, or of a plain text.
pub(super) fn value(entry: &Value) -> &str {
    entry.as_str().or_else(|| entry.get("value").and_then(Value::as_str)).unwrap_or_default()
}

/// All values of a field that is a text or a list.
pub(super) fn values(field: Option<&Value>) -> Vec<&str> {
    match field {
        Some(Value::Array(entries)) => entries.iter().map(value).collect(),
        Some(Value::String(text)) => vec![text.as_str()],
        _ => Vec::new(),
    }
}

fn address(text: &str) -> Result<String, String> {
    let lower = text.trim().to_lowercase();
    let plausible = lower.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if plausible { Ok(lower) } else { Err(format!("Invalid email: {text}")) }
}

fn keep(entry: &Value, value: &str) -> Value {
    let primary = entry.get("isPrimary").and_then(Value::as_bool).unwrap_or(false);
    let mut kept =
        Map::from_iter([("value".to_owned(), json!(value)), ("isPrimary".to_owned(), json!(primary))]);
    for key in KEPT {
        if let Some(value) = entry.get(key) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(kept)
}

/// Makes one of the entries the primary one.
pub(super) fn one_primary(entries: &mut [Value]) {
    let is_primary = |entry: &Value| entry.get("isPrimary").and_then(Value::as_bool) == Some(true);
    let chosen = entries.iter().position(is_primary).unwrap_or(0);
    for (index, entry) in entries.iter_mut().enumerate() {
        if let Value::Object(fields) = entry {
            fields.insert("isPrimary".to_owned(), json!(index == chosen));
        }
    }
}
