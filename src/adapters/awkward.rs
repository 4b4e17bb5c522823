//! Generators of awkward contacts and of any JSON at all, for the property tests of the translations.

use bytestring::ByteString;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::domain::{ContactDraft, EmailAddress, PhoneNumber, RawJson, RemoteFields, Text};

/// Any text: empty, blank, of any script, with control characters.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("  ".to_owned()),
        "\\PC{0,12}",
        any::<String>(),
        "[A-Z][a-z]{1,8}( [a-z]{1,4})?"
    ]
}

fn word() -> impl Strategy<Value = Option<Text>> {
    const WORDS: &[&str] =
        &["main", "secondary", "primary", "Mobile", "work", "OFFICE", "home", "fax", "", "other"];
    prop_oneof![Just(None), proptest::sample::select(WORDS).prop_map(|word| Some(Text::from(word)))]
}

/// Few enough addresses that they meet, in either case.
fn email() -> impl Strategy<Value = EmailAddress> {
    ("[abAB][.+]?[xyé]", word())
        .prop_map(|(local, kind)| EmailAddress { address: format!("{local}@example.com").into(), kind })
}

/// International, national and unreadable numbers, few enough that they meet in several spellings.
fn phone() -> impl Strategy<Value = PhoneNumber> {
    let number = prop_oneof![
        "\\+1415555010[0-4]",
        "\\(415\\) 555-010[0-4]",
        "1 415 555 010[0-4]",
        "\\+49 30 12345[0-4]",
        "[0-9]{7,15}",
        "555-01[0-9]{2} ext\\. 7[0-9]",
    ];
    (number, word()).prop_map(|(number, kind)| PhoneNumber { number: number.into(), kind })
}

/// A draft with several of everything.
pub(super) fn draft() -> impl Strategy<Value = ContactDraft> {
    let some = || proptest::option::of(text().prop_map(Text::from));
    (some(), text(), some(), vec(email(), 0..5), vec(phone(), 1..5)).prop_map(
        |(first_name, last_name, account, email_addresses, phone_numbers)| ContactDraft {
            first_name,
            last_name: last_name.into(),
            account,
            addresses: Vec::new(),
            email_addresses,
            phone_numbers,
            remote_fields: RemoteFields::default(),
            read_only: Vec::new(),
        },
    )
}

/// Any JSON value; members bear the names in `names`, or any other.
pub(super) fn json(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        Just(Value::from("2024-01-15T10:00:00Z")),
        Just(Value::from("ada@example.com,byron@example.com")),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let name = prop_oneof![4 => proptest::sample::select(names).prop_map(str::to_owned), 1 => text()];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A number of thirty digits and more, as no machine number holds it.
pub(super) fn long_number() -> impl Strategy<Value = String> {
    "-?[1-9][0-9]{29,40}(\\.[0-9]{1,20})?"
}

/// A reply that echoes a written body, as the record `id`.
pub(super) fn echo(body: &str) -> ByteString {
    let mut record: Map<String, Value> = serde_json::from_str(body).unwrap();
    record.insert("_id".to_owned(), Value::from("abc123"));
    ByteString::from(Value::Object(record).to_string())
}

/// Remote fields of any names and values.
pub(super) fn remote_fields(names: &'static [&'static str]) -> impl Strategy<Value = RemoteFields> {
    let name = prop_oneof![3 => proptest::sample::select(names).prop_map(str::to_owned), 1 => text()];
    let fields = proptest::collection::btree_map(name, json(names), 0..3);
    fields.prop_map(|fields| {
        let raw = |value: Value| RawJson::from_validated(value.to_string().into());
        RemoteFields(fields.into_iter().map(|(name, value)| (name.into(), raw(value))).collect())
    })
}
