//! One pass over a JSON text that refuses what decoders disagree about: duplicate fields, lone surrogates, depth.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::scan::{Bounds, quick_check};
use crate::domain::abbreviated;

/// The limits of a caller's body; its size limits the number of values.
pub const REQUEST: Bounds = Bounds::of_depth(32);
/// The limits of a CRM's reply. It may nest deeper than a caller's body, because it is never written.
pub const REPLY: Bounds = Bounds { depth: 64, values: 500_000 };

#[derive(Debug)]
pub struct JsonFault(String);

/// The beginning of the reason if a text nests too deeply.
const TOO_DEEP: &str = "nested deeper than";

impl JsonFault {
    /// Whether objects and lists nest too deeply.
    #[must_use]
    pub fn is_depth(&self) -> bool {
        self.0.starts_with(TOO_DEEP)
    }

    /// The reason, with line and column. It contains no part of the text except field names.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

/// Accepts `text` if it is one JSON value with unique field names, within `bounds`.
pub fn check(text: &str, bounds: Bounds) -> Result<(), JsonFault> {
    if quick_check(text, bounds).is_some() { Ok(()) } else { complete_check(text, bounds) }
}

/// The check that says what is wrong and where. It takes several times as long as [`quick_check`].
pub(super) fn complete_check(text: &str, bounds: Bounds) -> Result<(), JsonFault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let left = Cell::new(bounds.values);
    CheckedValue { bounds, depth: bounds.depth, left: &left }
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| JsonFault(error.to_string()))
}

#[derive(Clone, Copy)]
struct CheckedValue<'a> {
    bounds: Bounds,
    /// How much deeper it may nest.
    depth: usize,
    /// How many more values there may be.
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for CheckedValue<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom(format_args!("more than {} values", self.bounds.values)));
        };
        self.left.set(left);
        reader.deserialize_any(self)
    }
}

impl CheckedValue<'_> {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let deeper = || E::custom(format_args!("{TOO_DEEP} {} levels", self.bounds.depth));
        Ok(Self { depth: depth.ok_or_else(deeper)?, ..self })
    }
}

impl<'de> Visitor<'de> for CheckedValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        while elements.next_element_seed(inside)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inside = self.inside()?;
        let mut seen: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(name) = members.next_key_seed(MemberName)? {
            if let Some(name) = seen.replace(name) {
                let name = abbreviated(&name);
                return Err(A::Error::custom(format_args!("the field `{name}` occurs twice")));
            }
            members.next_value_seed(inside)?;
        }
        Ok(())
    }
}

/// A field name, borrowed if it has no escape.
struct MemberName;

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for MemberName {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_json_passes() {
        for text in [
            "null",
            "[]",
            r#"{"a":{"b":[1,2.5,-3e2,"x\n\ud83d\ude00"]},"c":null}"#,
            "123456789012345678901234567890.5",
        ] {
            assert!(check(text, REQUEST).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_decoders_disagree_about_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"["\ud800"]"#,
            r#"{"\udc00":1}"#,
            "[1] x",
            "",
            "{",
            "[1e400]",
            "NaN",
        ] {
            assert!(check(text, REQUEST).is_err(), "{text}");
        }
        let wide: Vec<String> =
            (0..50).map(|n| format!("\"m{n}\":0")).chain(["\"m40\":1".to_owned()]).collect();
        assert!(check(&format!("{{{}}}", wide.join(",")), REQUEST).unwrap_err().reason().contains("m40"));
    }

    #[test]
    fn depth_is_bounded_before_the_stack_is() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let bound = Bounds::of_depth(32);
        assert!(check(&nested(32), bound).is_ok());
        for depth in [33, 10_000, 1_000_000] {
            assert!(check(&nested(depth), bound).is_err());
        }
    }

    #[test]
    fn a_reply_holds_so_many_values_and_no_more() {
        let list = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert!(check(&list(499_999), REPLY).is_ok());
        let fault = check(&list(500_000), REPLY).unwrap_err();
        assert!(fault.reason().contains("more than 500000 values"), "{}", fault.reason());
    }
}
