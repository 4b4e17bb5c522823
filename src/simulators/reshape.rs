//! Answers whose fields are of another shape than documented, as CRMs change them between versions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What is done to every record of an answer; a record is an object with an `_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Nothing is left but the id.
    OnlyIds,
    /// The id is missing.
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
    /// Two further members with numbers that no machine word holds: 2^63 and 1e400.
    HugeNumbers,
}

/// Stands for a number that `Value` cannot hold, until the answer is text.
const BEYOND: &str = "\"number beyond\"";

/// The JSON `body` with its records reshaped; what is no JSON stays.
pub(crate) fn reshaped(how: Shape, body: &[u8]) -> Vec<u8> {
    let Ok(mut answer) = serde_json::from_slice(body) else { return body.to_vec() };
    walk(how, &mut answer);
    answer.to_string().replace(BEYOND, "1e400").into_bytes()
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
            record.insert("xBeyond".to_owned(), json!(BEYOND.trim_matches('"')));
        }
        Shape::ValuesForLists => others.for_each(|value| {
            if let Value::Array(list) = value
                && list.len() == 1
            {
                *value = list.remove(0);
            }
        }),
        Shape::ListsForTexts => {
            others.filter(|value| value.is_string()).for_each(|value| *value = json!([value]))
        }
        Shape::NumbersAsTexts => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_word_holds_are_written_out() {
        let text = reshaped(Shape::HugeNumbers, br#"{"data":[{"_id":"a","n":1}]}"#);
        let written = r#"{"data":[{"_id":"a","n":1,"xHuge":9223372036854775808,"xBeyond":1e400}]}"#;
        assert_eq!(String::from_utf8_lossy(&text), written);
    }
}
