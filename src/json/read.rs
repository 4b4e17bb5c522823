//! Reads checked JSON text by slices: the kind of a value, its fields, elements, or string.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::scan::{KnownEnds, after_space, string_end, unescaped, value_end};

/// One JSON value as a slice of the checked text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// The caller has checked that `text` is one JSON value.
    #[must_use]
    pub const fn from_checked(text: &'a str) -> Self {
        Self(text)
    }

    #[must_use]
    pub const fn get(self) -> &'a str {
        self.0
    }
}

/// The name of the struct that `serde_json` writes as its text is. Its own `RawValue` is serialised so, but cannot be made of
/// checked text without a second check.
pub(super) const WRITTEN_AS_IS: &str = "$serde_json::private::RawValue";

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let mut raw = writer.serialize_struct(WRITTEN_AS_IS, 1)?;
        raw.serialize_field(WRITTEN_AS_IS, self.0)?;
        raw.end()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    List,
    Object,
}

impl Kind {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }

    /// The type's name in JSON Schema; `None` for null.
    #[must_use]
    pub const fn json_type(self) -> Option<&'static str> {
        match self {
            Self::Null => None,
            Self::Bool => Some("boolean"),
            Self::Number => Some("number"),
            Self::String => Some("string"),
            Self::List => Some("array"),
            Self::Object => Some("object"),
        }
    }
}

/// The kind of `raw`, from its first byte.
#[must_use]
pub fn kind(raw: &str) -> Kind {
    match raw.as_bytes().get(after_space(raw.as_bytes(), 0)) {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::List,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

/// The fields of one object, in order.
#[derive(Default)]
pub struct Members<'a>(pub Vec<(Cow<'a, str>, Raw<'a>)>);

impl<'a> Members<'a> {
    /// The values by name, for many lookups.
    #[must_use]
    pub fn by_name(&self) -> HashMap<&str, Raw<'a>> {
        self.0.iter().map(|(name, raw)| (name.as_ref(), *raw)).collect()
    }

    /// The value of the field `name`, unless it is absent or `null`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Raw<'a>> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|&(_, raw)| raw)
            .filter(|raw| kind(raw.get()) != Kind::Null)
    }
}

/// The fields of the object `text`; `None` if it is not an object.
#[must_use]
pub fn members(text: &str) -> Option<Members<'_>> {
    members_of(text, KnownEnds::default())
}

pub(super) fn members_of<'a>(text: &'a str, known: KnownEnds<'_>) -> Option<Members<'a>> {
    let bytes = text.as_bytes();
    let mut at = entered(bytes, b'{')?;
    let mut members = Vec::new();
    if bytes.get(at) == Some(&b'}') {
        return is_end(bytes, at + 1).then_some(Members(members));
    }
    members.reserve(16);
    loop {
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let (end, escaped) = string_end(bytes, at)?;
        let name = unquoted(text.get(at..end)?, escaped)?;
        at = after_space(bytes, end);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        let raw = value_at(text, after_space(bytes, at + 1), known)?;
        at = after_space(bytes, raw.end);
        members.push((name, raw.value));
        match bytes.get(at)? {
            b',' => at = after_space(bytes, at + 1),
            b'}' => return is_end(bytes, at + 1).then_some(Members(members)),
            _ => return None,
        }
    }
}

/// The elements of the list `text`; `None` if it is not a list.
#[must_use]
pub fn elements(text: &str) -> Option<Vec<Raw<'_>>> {
    elements_within(text, usize::MAX)
}

/// The elements of the list `text`; `None` if it is not a list or has more than `most` elements. Reading stops there.
#[must_use]
pub fn elements_within(text: &str, most: usize) -> Option<Vec<Raw<'_>>> {
    elements_of(text, most, KnownEnds::default())
}

pub(super) fn elements_of<'a>(text: &'a str, most: usize, known: KnownEnds<'_>) -> Option<Vec<Raw<'a>>> {
    let bytes = text.as_bytes();
    let mut at = entered(bytes, b'[')?;
    let mut elements = Vec::new();
    if bytes.get(at) == Some(&b']') {
        return is_end(bytes, at + 1).then_some(elements);
    }
    loop {
        if elements.len() == most {
            return None;
        }
        let raw = value_at(text, at, known)?;
        elements.push(raw.value);
        at = after_space(bytes, raw.end);
        match bytes.get(at)? {
            b',' => at = after_space(bytes, at + 1),
            b']' => return is_end(bytes, at + 1).then_some(elements),
            _ => return None,
        }
    }
}

/// A value and the index behind it.
struct FoundValue<'a> {
    value: Raw<'a>,
    end: usize,
}

fn value_at<'a>(text: &'a str, at: usize, known: KnownEnds<'_>) -> Option<FoundValue<'a>> {
    let end = value_end(text.as_bytes(), at, known)?;
    Some(FoundValue { value: Raw(text.get(at..end)?), end })
}

/// The index of what follows the opening byte `open`.
fn entered(bytes: &[u8], open: u8) -> Option<usize> {
    let at = after_space(bytes, 0);
    (bytes.get(at) == Some(&open)).then(|| after_space(bytes, at + 1))
}

fn is_end(bytes: &[u8], at: usize) -> bool {
    after_space(bytes, at) == bytes.len()
}

/// The string `text`, borrowed if it has no escape; `None` if it is not a string.
#[must_use]
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    let at = after_space(bytes, 0);
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let (end, escaped) = string_end(bytes, at)?;
    if !is_end(bytes, end) {
        return None;
    }
    unquoted(text.get(at..end)?, escaped)
}

fn unquoted(quoted: &str, escaped: bool) -> Option<Cow<'_, str>> {
    if escaped {
        return unescaped(quoted).map(Cow::Owned);
    }
    quoted.get(1..quoted.len() - 1).map(Cow::Borrowed)
}

/// Whether two JSON texts have the same value. Spacing, escapes and the order of fields do not matter.
#[must_use]
pub fn equal(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (mine, theirs) = (kind(one), kind(other));
    if mine != theirs {
        return false;
    }
    match mine {
        Kind::String => string(one) == string(other),
        Kind::List => match (elements(one), elements(other)) {
            (Some(a), Some(b)) => {
                a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| equal(a.get(), b.get()))
            }
            _ => false,
        },
        Kind::Object => match (members(one), members(other)) {
            (Some(a), Some(b)) => {
                let theirs = b.by_name();
                a.0.len() == b.0.len()
                    && a.0.iter().all(|(name, value)| {
                        theirs.get(name.as_ref()).is_some_and(|theirs| equal(value.get(), theirs.get()))
                    })
            }
            _ => false,
        },
        Kind::Number => decimal(one) == decimal(other),
        Kind::Null | Kind::Bool => one.trim() == other.trim(),
    }
}

/// A number as sign, digits without zeros at either end, and the power of ten of the last digit. Equal numbers are equal in
/// this form, even with more digits than a machine number has.
fn decimal(number: &str) -> (bool, String, i64) {
    let number = number.trim();
    let (negative, rest) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return (false, String::new(), 0);
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let places = i64::try_from(zeros).unwrap_or(i64::MAX) - i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    // Exponents that do not fit are all treated as the same.
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX);
    (negative, significant.to_owned(), exponent.saturating_add(places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_up_to_a_bound_and_no_further() {
        let read = |text, most| elements_within(text, most).map(|list| list.len());
        assert_eq!((read("[1,{},[]]", 3), read("[1,{},[]]", 2), read("[]", 0)), (Some(3), None, Some(0)));
        assert_eq!((read("{}", 9), read("null", 9)), (None, None));
        assert_eq!(read("[1,2,3, this is not even read", 2), None);
    }

    #[test]
    fn checked_text_is_written_as_it_is() {
        let text = "{\"a\" : 1.50, \"b\":\"\\u0061/\"}";
        let list = vec![Raw::from_checked(text), Raw::from_checked("12345678901234567890.10")];
        let written = format!("[{text},12345678901234567890.10]");
        assert_eq!(serde_json::to_string(&list).unwrap(), written);
        assert_eq!(crate::json::within(&list, 1000).unwrap().unwrap(), written.as_bytes());
    }

    #[test]
    fn numbers_are_equal_to_the_last_digit_however_they_are_written() {
        for (one, other) in [("100", "1e2"), ("1.0", "1"), ("-0", "0"), ("0.0010", "1E-3"), ("1.5e3", "1500")]
        {
            assert!(equal(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("123456789012345678901234567890", "123456789012345678901234567891"),
            ("1e400", "2e400"),
            ("1", "-1"),
            ("10", "1"),
            ("1", "\"1\""),
        ] {
            assert!(!equal(one, other), "{one} {other}");
        }
    }
}
