//! Reads checked JSON text by slices: the kind of a value, its fields, elements, or string.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::check::MemberName;

/// One JSON value as a slice of the checked text.
pub type Raw<'a> = &'a RawValue;

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
    match raw.trim_start().as_bytes().first() {
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

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(name) = map.next_key_seed(MemberName)? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        reader.deserialize_map(Object)
    }
}

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
    serde_json::from_str(text).ok()
}

/// The elements of the list `text`; `None` if it is not a list.
#[must_use]
pub fn elements(text: &str) -> Option<Vec<Raw<'_>>> {
    serde_json::from_str(text).ok()
}

/// The elements of the list `text`; `None` if it is not a list or has more than `most` elements. Reading stops there.
#[must_use]
pub fn elements_within(text: &str, most: usize) -> Option<Vec<Raw<'_>>> {
    struct Within(usize);
    impl<'de> Visitor<'de> for Within {
        type Value = Vec<Raw<'de>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {} elements", self.0)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = list.next_element()? {
                if elements.len() == self.0 {
                    return Err(A::Error::invalid_length(self.0 + 1, &self));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_seq(Within(most)).ok()
}

/// The string `text`, borrowed if it has no escape; `None` if it is not a string.
#[must_use]
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    use serde::de::DeserializeSeed;
    MemberName.deserialize(&mut serde_json::Deserializer::from_str(text)).ok()
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
