//! JSON values for tests, each written in many ways.

use std::fmt::Write as _;

use proptest::prelude::*;

/// A JSON value, told apart member by member.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AnyValue {
    Word(&'static str),
    Number(String),
    Text(String),
    List(Vec<AnyValue>),
    Object(Vec<(String, AnyValue)>),
}

pub(super) fn values() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(AnyValue::Word),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?".prop_map(AnyValue::Number),
        ".{0,6}".prop_map(AnyValue::Text),
        "[\\x00-\\x1f\"\\\\/é😀]{0,4}".prop_map(AnyValue::Text),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(AnyValue::List),
            prop::collection::btree_map("[a-cé\"]{0,2}", inner, 0..5)
                .prop_map(|members| AnyValue::Object(members.into_iter().collect())),
        ]
    })
}

/// Writes `value` in one of many ways, chosen by `dice`.
pub(super) fn written(value: &AnyValue, dice: &mut impl FnMut() -> u32) -> String {
    let space = [" ", "", "\n\t", "  \r"][dice() as usize % 4];
    let text = match value {
        AnyValue::Word(word) => (*word).to_owned(),
        AnyValue::Number(number) => number.clone(),
        AnyValue::Text(text) => quoted(text, dice),
        AnyValue::List(list) => {
            let list: Vec<String> = list.iter().map(|value| written(value, dice)).collect();
            format!("[{space}{}]", list.join(","))
        }
        AnyValue::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{space}{}{space}:{}", quoted(name, dice), written(value, dice)))
                .collect();
            for place in (1..members.len()).rev() {
                members.swap(place, dice() as usize % (place + 1));
            }
            format!("{{{}{space}}}", members.join(","))
        }
    };
    format!("{space}{text}{space}")
}

fn quoted(text: &str, dice: &mut impl FnMut() -> u32) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let must = c < ' ' || c == '"' || c == '\\';
        if must || dice().is_multiple_of(3) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").unwrap();
            }
        } else if c == '/' && dice().is_multiple_of(2) {
            out.push_str("\\/");
        } else {
            out.push(c);
        }
    }
    out + "\""
}

pub(super) fn dice(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state >> 7
    }
}
