//! Generators of awkward contacts and of any JSON at all, for the property tests of the translations.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value};

use crate::domain::{
    ContactDraft, ContactPatch, EmailAddress, PhoneNumber, RawJson, RemoteFields, Text, Warning, WarningCode,
};
use crate::json::CheckedJson;

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

/// A draft of a person with a name alone.
pub(super) fn nobody() -> ContactDraft {
    ContactDraft::of_name("Byron".into())
}

/// Countries whose numbers are read by rules of their own.
pub(super) fn region() -> impl Strategy<Value = Option<&'static str>> {
    const CODES: &[&str] = &[
        "US", "GB", "IT", "DE", "NL", "AR", "MX", "BR", "RU", "HU", "LT", "BY", "KR", "JP", "IL", "GG", "BS",
        "SM",
    ];
    prop_oneof![1 => Just(None), 8 => proptest::sample::select(CODES).prop_map(Some)]
}

/// Texts in the place of a phone number, most of them numbers in some spelling.
pub(super) fn number() -> impl Strategy<Value = String> {
    let punctuated = || "[0-9]{1,5}[ ().-]{0,2}[0-9]{2,5}[ .-]?[0-9]{2,6}";
    let front = proptest::sample::select(
        &[
            "", "+", "tel:+", "00", "011 ", "0", "8", "06 ", "+1 ", "+39 0", "+44 (0)", "+54 ", "+52 1 ",
            "+55 0", "(0)", "15 ",
        ][..],
    );
    let back = proptest::sample::select(
        &["", "", "", " ext. 12", "x7", ";ext=9", " #3", " (home)", " h", "/2", ",,5", " cell 3"][..],
    );
    prop_oneof![
        6 => (front, punctuated(), back).prop_map(|(front, number, back)| format!("{front}{number}{back}")),
        1 => "[+0-9 ()a-zA-Z.,;#x-]{0,24}",
        1 => punctuated().prop_map(|number| number.replace('1', "\u{661}").replace('5', "\u{ff15}")),
        1 => text(),
    ]
}

/// What was sent for the one number `written` has its digits, plus a country code, minus a trunk prefix; or a warning
/// says that it is as it was written. Judged without the code that reads numbers.
pub(super) fn sends_what_was_written(
    written: &str,
    sent: &ContactPatch,
    losses: &[Warning],
) -> Result<(), TestCaseError> {
    let warned = |code| losses.iter().any(|loss| loss.code == code && loss.pointer.ends_with("/phoneNumber"));
    let Some([sent]) = sent.phone_numbers.value().map(Vec::as_slice) else {
        return Err(TestCaseError::fail("not one number was sent"));
    };
    if warned(WarningCode::PhoneNotParsed) {
        prop_assert!(
            written.starts_with(sent.number.trim()) || written.trim().starts_with(sent.number.trim())
        );
        return Ok(());
    }
    let ascii = |c: char| match c {
        '\u{661}' => Some('1'),
        '\u{ff15}' => Some('5'),
        _ => c.is_numeric().then_some(c),
    };
    let digits: String = written.chars().filter_map(ascii).collect();
    let form =
        sent.number.strip_prefix('+').ok_or_else(|| TestCaseError::fail("neither E.164 nor warned"))?;
    let letters = written.trim_start_matches("tel:").chars().filter(|c| c.is_alphabetic()).count();
    let extension = warned(WarningCode::NotStored);
    prop_assert!(extension || letters < 3, "{} letters are dialled", letters);
    // Some split into country code and national digits explains what was written.
    let explained = (1..=3.min(form.len())).any(|at| {
        let (code, national) = form.split_at(at);
        digits.match_indices(national).any(|(found, _)| {
            let (before, after) = (&digits[..found], &digits[found + national.len()..]);
            let trunks = ["", "0", "1", "8", "80", "06", "01"];
            let before = trunks.iter().any(|trunk| {
                before == *trunk || before.strip_suffix(trunk).is_some_and(|before| before.ends_with(code))
            });
            before && (after.is_empty() || extension)
        })
    });
    prop_assert!(explained, "{:?} became {:?}", written, sent.number.as_str());
    Ok(())
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
pub(super) fn echo(body: &str) -> CheckedJson {
    let mut record: Map<String, Value> = serde_json::from_str(body).unwrap();
    record.insert("_id".to_owned(), Value::from("abc123"));
    CheckedJson::from(Value::Object(record).to_string())
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
