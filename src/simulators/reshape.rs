//! Responses whose fields have another type than documented, as can happen between versions of a CRM.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A change to every record of a response; a record is an object with the CRM's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Only the id is left.
    OnlyIds,
    NoIds,
    /// Adds undocumented fields of every type.
    MoreFields,
    /// All values except the id are `null`.
    Nulls,
    /// Numbers become texts, in the whole response.
    NumbersAsTexts,
    /// A list of one entry becomes that entry.
    ValuesForLists,
    /// A text becomes a list with one entry.
    ListsForTexts,
    /// Adds two fields with numbers that lose digits in a machine word: 2^63, and thirty digits.
    HugeNumbers,
    /// Adds a field with a number that no machine word can hold: 1e400.
    BeyondNumbers,
}

/// Placeholders for numbers that `Value` cannot hold; they are replaced in the JSON text.
const NUMBERS: [(&str, &str); 2] =
    [("thirty digits", "0.123456789012345678901234567890"), ("beyond", "1e400")];

/// The JSON `body` with its records changed; anything else is returned unchanged.
pub(crate) fn reshaped(how: Shape, id_key: &str, body: &[u8]) -> Vec<u8> {
    let Ok(mut answer) = serde_json::from_slice(body) else { return body.to_vec() };
    walk(how, id_key, &mut answer);
    let written = |text: String, (name, number): (&str, &str)| text.replace(&format!("\"{name}\""), number);
    NUMBERS.into_iter().fold(answer.to_string(), written).into_bytes()
}

fn walk(how: Shape, id_key: &str, value: &mut Value) {
    match value {
        Value::Number(number) if how == Shape::NumbersAsTexts => *value = number.to_string().into(),
        Value::Array(elements) => elements.iter_mut().for_each(|element| walk(how, id_key, element)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| walk(how, id_key, member));
            if members.contains_key(id_key) {
                reshape(how, id_key, members);
            }
        }
        _ => {}
    }
}

fn reshape(how: Shape, id_key: &str, record: &mut Map<String, Value>) {
    let others = record.iter_mut().filter(|(name, _)| *name != id_key).map(|(_, value)| value);
    match how {
        Shape::OnlyIds => record.retain(|name, _| name == id_key),
        Shape::NoIds => drop(record.shift_remove(id_key)),
        Shape::Nulls => others.for_each(|value| *value = Value::Null),
        Shape::MoreFields => {
            let more =
                json!({ "xText": "x", "xList": [1, [2]], "xObject": { "a": null }, "xFlag": true, "": "" });
            record.extend(more.as_object().cloned().unwrap_or_default());
        }
        Shape::HugeNumbers => {
            record.insert("xHuge".to_owned(), json!(9_223_372_036_854_775_808_u64));
            record.insert("xDigits".to_owned(), json!("thirty digits"));
        }
        Shape::BeyondNumbers => drop(record.insert("xBeyond".to_owned(), json!("beyond"))),
        Shape::ValuesForLists => others.for_each(|value| {
            if let Value::Array(list) = value
                && list.len() == 1
            {
                *value = list.remove(0);
            }
        }),
        Shape::ListsForTexts => {
            others.filter(|value| value.is_string()).for_each(|value| *value = json!([value]));
        }
        Shape::NumbersAsTexts => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_word_holds_are_written_out() {
        let body = br#"{"data":[{"_id":"a"}]}"#;
        let huge = r#"{"data":[{"_id":"a","xHuge":9223372036854775808,"xDigits":0.123456789012345678901234567890}]}"#;
        assert_eq!(String::from_utf8_lossy(&reshaped(Shape::HugeNumbers, "_id", body)), huge);
        let beyond = r#"{"data":[{"_id":"a","xBeyond":1e400}]}"#;
        assert_eq!(String::from_utf8_lossy(&reshaped(Shape::BeyondNumbers, "_id", body)), beyond);
    }
}
