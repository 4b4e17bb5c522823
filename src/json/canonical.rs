//! The canonical text of a JSON value: equal values have equal texts, so that a digest shows whether two bodies are equal.

use super::{Kind, elements, kind, members, string};

/// `text`, which passed the check, with fields sorted by name, every string escaped in one way, and no white space between
/// values. Numbers stay as written, because `1` and `1.0` may differ for the CRM.
#[must_use]
pub fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    write(text, &mut out);
    out
}

fn write(text: &str, out: &mut String) {
    match kind(text) {
        Kind::Object => {
            let mut members = members(text).unwrap_or_default().0;
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            out.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&spelled(&name));
                out.push(':');
                write(value.get(), out);
            }
            out.push('}');
        }
        Kind::List => {
            out.push('[');
            for (place, value) in elements(text).unwrap_or_default().into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(value.get(), out);
            }
            out.push(']');
        }
        // Without an escape there is nothing that needs one.
        Kind::String if !text.contains('\\') => out.push_str(text.trim()),
        Kind::String => match string(text) {
            Some(value) => out.push_str(&spelled(&value)),
            // The check refuses this; it is still distinct here.
            None => out.push_str(text.trim()),
        },
        Kind::Number | Kind::Bool | Kind::Null => out.push_str(text.trim()),
    }
}

fn spelled(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::any_value::{AnyValue, dice, values, written};
    use crate::json::{REQUEST, check};

    proptest! {
        #![proptest_config(crate::proptest_config::usual())]

        #[test]
        fn one_value_has_one_text_however_it_is_written(value in values(), one: u32, other: u32) {
            let (one, other) = (written(&value, &mut dice(one)), written(&value, &mut dice(other)));
            prop_assume!(check(&one, REQUEST).is_ok());
            prop_assert_eq!(canonical(&one), canonical(&other));
            prop_assert_eq!(canonical(&canonical(&one)), canonical(&one));
            prop_assert!(crate::json::equal(&one, &canonical(&one)));
        }

        #[test]
        fn two_values_have_two_texts(one in values(), other in values(), seed: u32) {
            let texts = [&one, &other].map(|value| canonical(&written(value, &mut dice(seed))));
            prop_assert_eq!(one == other, texts[0] == texts[1]);
        }

        #[test]
        fn a_change_deep_inside_changes_the_text(value in values(), seed: u32) {
            let text = canonical(&written(&value, &mut dice(seed)));
            for changed in changes(&value) {
                prop_assert_ne!(&canonical(&written(&changed, &mut dice(seed))), &text);
            }
        }
    }

    /// `value` with one thing in it changed, in each place once.
    fn changes(value: &AnyValue) -> Vec<AnyValue> {
        match value {
            AnyValue::Word(word) => vec![AnyValue::Text((*word).to_owned())],
            AnyValue::Number(number) => {
                vec![
                    AnyValue::Number(format!("1{}", number.trim_start_matches('-'))),
                    AnyValue::Text(number.clone()),
                ]
            }
            AnyValue::Text(text) => {
                vec![AnyValue::Text(format!("{text} ")), AnyValue::List(vec![value.clone()])]
            }
            AnyValue::List(list) => {
                let mut all = vec![AnyValue::List([list.as_slice(), &[AnyValue::Word("null")]].concat())];
                for (place, element) in list.iter().enumerate() {
                    for changed in changes(element) {
                        let mut list = list.clone();
                        list[place] = changed;
                        all.push(AnyValue::List(list));
                    }
                }
                all
            }
            AnyValue::Object(members) => {
                let more = ("another name".to_owned(), AnyValue::Word("null"));
                let mut all = vec![AnyValue::Object([members.as_slice(), &[more]].concat())];
                for place in 0..members.len() {
                    let mut renamed = members.clone();
                    renamed[place].0.push('x');
                    all.push(AnyValue::Object(renamed));
                    for changed in changes(&members[place].1) {
                        let mut members = members.clone();
                        members[place].1 = changed;
                        all.push(AnyValue::Object(members));
                    }
                }
                all
            }
        }
    }

    #[test]
    fn numbers_are_told_apart_to_the_last_digit() {
        assert_ne!(canonical("9007199254740993"), canonical("9007199254740992"));
        assert_eq!(canonical(" {\"b\" : 1.50, \"\\u0061\":[ ]} "), r#"{"a":[],"b":1.50}"#);
    }
}
