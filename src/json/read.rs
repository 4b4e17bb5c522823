//! Reading of checked JSON text by slices: what kind a value is, its members, elements, string.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::check::Name;

/// One JSON value as a slice of the checked text.
pub type Raw<'a> = &'a RawValue;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// A number of any size.
    Number,
    /// A string.
    String,
    /// A list.
    List,
    /// An object.
    Object,
}

impl Kind {
    /// The word for messages.
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
}

/// The kind of `raw`, told by its first byte.
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

/// The members of one object, in order.
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
                while let Some(name) = map.next_key_seed(Name)? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        reader.deserialize_map(Object)
    }
}

impl<'a> Members<'a> {
    /// The value of the member `name`, unless it is absent or `null`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Raw<'a>> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|&(_, raw)| raw)
            .filter(|raw| kind(raw.get()) != Kind::Null)
    }
}

/// The members of the object that `text` holds; `None` where it holds no object.
#[must_use]
pub fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str(text).ok()
}

/// The elements of the list that `text` holds; `None` where it holds no list.
#[must_use]
pub fn elements(text: &str) -> Option<Vec<Raw<'_>>> {
    serde_json::from_str(text).ok()
}

/// The string that `text` holds, borrowed where it has no escape; `None` where it holds no string.
#[must_use]
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    use serde::de::DeserializeSeed;
    Name.deserialize(&mut serde_json::Deserializer::from_str(text)).ok()
}

/// Whether two JSON texts mean the same value, whatever their spacing, escapes and order of members.
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
                a.0.len() == b.0.len()
                    && a.0.iter().all(|(name, value)| {
                        b.0.iter().any(|(other, theirs)| other == name && equal(value.get(), theirs.get()))
                    })
            }
            _ => false,
        },
        Kind::Number => serde_json::from_str::<f64>(one).ok() == serde_json::from_str::<f64>(other).ok(),
        Kind::Null | Kind::Bool => one.trim() == other.trim(),
    }
}
