//! Answers whose fields are of another shape than documented, as CRMs change them between versions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What is done to every record of an answer; a record is an object with an `_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Nothing is left but the id.
    OnlyIds,
    NoIds,
    /// Members nobody has documented, of every type.
    MoreMembers,
    /// Everything but the id is `null`.
    Nulls,
    /// Numbers are texts, in the whole answer.
    NumbersAsTexts,
    /// A list of one is that one.
    ValuesForLists,
    /// A text is a list of one.
    ListsForTexts,
    /// Two further members with numbers that lose digits on the way through a machine word: 2^63, and thirty digits.
    HugeNumbers,
    /// A further member that no machine word holds at all: 1e400.
    BeyondNumbers,
}

/// Texts that stand for numbers that `Value` cannot hold, until the answer is text.
const NUMBERS: [(&str, &str); 2] =
    [("thirty digits", "0.123456789012345678901234567890"), ("beyond", "1e400")];

/// The JSON `body` with its records reshaped; what is no JSON stays.
pub(crate) fn reshaped(how: Shape, body: &[u8]) -> Vec<u8> {
    let Ok(mut answer) = serde_json::from_slice(body) else { return body.to_vec() };
    walk(how, &mut answer);
    let written = |text: String, (name, number): (&str, &str)| text.replace(&format!("\"{name}\""), number);
    NUMBERS.into_iter().fold(answer.to_string(), written).into_bytes()
}

fn walk(how: Shape, value: &mut Value) {
    match value {
        Value::Number(number) if how == Shape::NumbersAsTexts => *value = number.to_string().into(),
        Value::Array(elements) => elements.iter_mut().for_each(|element| walk(how, element)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| walk(how, member));
            if members.contains_key("_id") {
                reshape(how, members);
            }
        }
        _ => {}
    }
}

fn reshape(how: Shape, record: &mut Map<String, Value>) {
    let others = record.iter_mut().filter(|(name, _)| *name != "_id").map(|(_, value)| value);
    match how {
        Shape::OnlyIds => record.retain(|name, _| name == "_id"),
        Shape::NoIds => drop(record.shift_remove("_id")),
        Shape::Nulls => others.for_each(|value| *value = Value::Null),
        Shape::MoreMembers => {
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
        assert_eq!(String::from_utf8_lossy(&reshaped(Shape::HugeNumbers, body)), huge);
        let beyond = r#"{"data":[{"_id":"a","xBeyond":1e400}]}"#;
        assert_eq!(String::from_utf8_lossy(&reshaped(Shape::BeyondNumbers, body)), beyond);
    }
}
