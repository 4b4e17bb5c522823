//! Writes JSON: values up to a limit, and objects whose values are JSON text already.
//!
//! `serde_json` looks at each byte of each text and calls its writer six times a field, which was a third of a list's CPU
//! time. This writer gives the same bytes, but fails where a key is no text, which no response has. It leaves numbers, and texts
//! that need escapes, to `serde_json`.

use std::fmt;
use std::io;

use serde::ser::{
    self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};

use super::read::WRITTEN_AS_IS;
use super::scan::plain_end;

/// `value` as JSON. Fails if it cannot be serialised.
pub fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, WriteError> {
    let mut writer = JsonWriter { bytes: Vec::new(), most: usize::MAX, is_json: false };
    value.serialize(&mut writer).map(|()| writer.bytes)
}

/// The same; `None` if that has more than `most` bytes. Writing stops there.
pub fn within(value: &impl Serialize, most: usize) -> Result<Option<Vec<u8>>, WriteError> {
    let mut writer = JsonWriter { bytes: Vec::new(), most, is_json: false };
    match value.serialize(&mut writer) {
        Ok(()) => Ok(Some(writer.bytes)),
        Err(WriteError::TooLong) => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the JSON text is too long")]
    TooLong,
    /// The reason that the value's own code, or `serde_json`, gives.
    #[error("{0}")]
    Refused(String),
}

impl ser::Error for WriteError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Refused(reason.to_string())
    }
}

struct JsonWriter {
    bytes: Vec<u8>,
    most: usize,
    /// The next text is JSON already.
    is_json: bool,
}

impl JsonWriter {
    #[inline]
    fn put(&mut self, piece: &[u8]) -> Result<(), WriteError> {
        if piece.len() > self.bytes.capacity() - self.bytes.len() {
            self.grow(piece.len())?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Doubles the memory, from 512 bytes on, but never beyond the limit.
    #[cold]
    fn grow(&mut self, more: usize) -> Result<(), WriteError> {
        let length = self.bytes.len() + more;
        if length > self.most {
            return Err(WriteError::TooLong);
        }
        let capacity = (self.bytes.capacity() * 2).max(512).clamp(length, self.most);
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }

    /// A name or a text that is known not to need escapes.
    #[inline]
    fn quoted(&mut self, text: &str) -> Result<(), WriteError> {
        self.put(b"\"")?;
        self.put(text.as_bytes())?;
        self.put(b"\"")
    }

    /// Writes what is not worth a way of its own.
    fn other(&mut self, value: &impl Serialize) -> Result<(), WriteError> {
        serde_json::to_writer(&mut *self, value).map_err(|error| match error.io_error_kind() {
            Some(_) => WriteError::TooLong,
            None => WriteError::Refused(error.to_string()),
        })
    }

    /// `{"name":`
    fn variant(&mut self, name: &str) -> Result<(), WriteError> {
        self.put(b"{")?;
        self.serialize_str(name)?;
        self.put(b":")
    }

    fn nested<'w>(&'w mut self, open: &[u8], close: &'static str) -> Result<Nested<'w>, WriteError> {
        self.put(open)?;
        Ok(Nested { writer: self, is_first: true, close })
    }
}

impl io::Write for JsonWriter {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.put(piece).map_err(|_| io::ErrorKind::StorageFull)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Delegates scalars that are rare in responses.
macro_rules! others {
    ($($method:ident: $scalar:ty),*) => {
        $(fn $method(self, value: $scalar) -> Result<(), WriteError> {
            self.other(&value)
        })*
    };
}

impl<'w> Serializer for &'w mut JsonWriter {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Nested<'w>;
    type SerializeTuple = Nested<'w>;
    type SerializeTupleStruct = Nested<'w>;
    type SerializeTupleVariant = Nested<'w>;
    type SerializeMap = Nested<'w>;
    type SerializeStruct = Nested<'w>;
    type SerializeStructVariant = Nested<'w>;

    others!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64, serialize_char: char
    );

    fn serialize_bool(self, value: bool) -> Result<(), WriteError> {
        self.put(if value { b"true" } else { b"false" })
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), WriteError> {
        if self.is_json {
            self.put(text.as_bytes())
        } else if plain_end(text.as_bytes(), 0) == text.len() {
            self.quoted(text)
        } else {
            self.other(&text)
        }
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), WriteError> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        self.put(b"null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), WriteError> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.variant(name)?;
        value.serialize(&mut *self)?;
        self.put(b"}")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Nested<'w>, WriteError> {
        self.nested(b"[", "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Nested<'w>, WriteError> {
        self.nested(b"[", "]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Nested<'w>, WriteError> {
        self.nested(b"[", "]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Nested<'w>, WriteError> {
        self.variant(name)?;
        self.nested(b"[", "]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Nested<'w>, WriteError> {
        self.nested(b"{", "}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Nested<'w>, WriteError> {
        if name == WRITTEN_AS_IS {
            self.is_json = true;
            return self.nested(b"", "");
        }
        self.nested(b"{", "}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Nested<'w>, WriteError> {
        self.variant(name)?;
        self.nested(b"{", "}}")
    }
}

/// An open list or object.
struct Nested<'w> {
    writer: &'w mut JsonWriter,
    is_first: bool,
    close: &'static str,
}

impl Nested<'_> {
    #[inline]
    fn comma(&mut self) -> Result<(), WriteError> {
        if std::mem::take(&mut self.is_first) { Ok(()) } else { self.writer.put(b",") }
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.comma()?;
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), WriteError> {
        if self.writer.is_json {
            value.serialize(&mut *self.writer)?;
            self.writer.is_json = false;
            return Ok(());
        }
        self.comma()?;
        // The code's own names need no escapes.
        debug_assert_eq!(plain_end(name.as_bytes(), 0), name.len(), "{name}");
        self.writer.quoted(name)?;
        self.writer.put(b":")?;
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<(), WriteError> {
        self.writer.put(self.close.as_bytes())
    }
}

macro_rules! lists {
    ($($list:ident: $method:ident),*) => {
        $(impl $list for Nested<'_> {
            type Ok = ();
            type Error = WriteError;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
                self.element(value)
            }
            fn end(self) -> Result<(), WriteError> {
                self.close()
            }
        })*
    };
}

lists!(
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
);

macro_rules! structs {
    ($($kind:ident),*) => {
        $(impl $kind for Nested<'_> {
            type Ok = ();
            type Error = WriteError;
            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), WriteError> {
                self.field(name, value)
            }
            fn end(self) -> Result<(), WriteError> {
                self.close()
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Nested<'_> {
    type Ok = ();
    type Error = WriteError;

    /// Fails if the key is no text.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        self.comma()?;
        let from = self.writer.bytes.len();
        key.serialize(&mut *self.writer)?;
        let is_text = self.writer.bytes.get(from) == Some(&b'"');
        if is_text { Ok(()) } else { Err(ser::Error::custom("a key of an object must be a text")) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.writer.put(b":")?;
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

/// An object of fields whose values are valid JSON text, in the given order.
#[must_use]
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("{}:{value}", serde_json::json!(name))).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::json::Raw;
    use crate::json::any_value::{dice, values, written};

    /// One of everything that serde can describe.
    #[derive(Serialize)]
    enum Everything<'a> {
        Nothing,
        Inside(&'a str),
        Both(bool, char),
        Named { number: f64, small: i8 },
    }

    #[derive(Serialize)]
    struct Newtype<'a>(&'a str);
    #[derive(Serialize)]
    struct TwoValues<'a>(u64, Option<&'a str>);
    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Record<'a> {
        variants: Vec<Everything<'a>>,
        newtype: Newtype<'a>,
        pair: TwoValues<'a>,
        unit: Unit,
        tuple: (i64, f32, u128, ()),
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
        raw: Raw<'a>,
        boxed: &'a RawValue,
        map: BTreeMap<&'a str, Option<Raw<'a>>>,
        #[serde(flatten)]
        more: BTreeMap<&'a str, &'a str>,
        empty: ([u8; 0], BTreeMap<&'a str, u8>),
    }

    fn is_alike(value: &impl Serialize) -> Result<(), TestCaseError> {
        let theirs = serde_json::to_string(value).unwrap();
        let ours = to_vec(value).unwrap();
        prop_assert_eq!(std::str::from_utf8(&ours).unwrap(), theirs.as_str());
        // Exactly the limit is enough, and a byte less is not.
        prop_assert!(within(value, theirs.len()).unwrap().is_some());
        for most in [0, theirs.len() / 2, theirs.len() - 1] {
            prop_assert_eq!(within(value, most).unwrap(), None);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(crate::proptest_config::usual())]

        #[test]
        fn any_value_is_written_as_serde_json_writes_it(value in values(), seed: u32) {
            let text = written(&value, &mut dice(seed));
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                is_alike(&value)?;
            }
        }

        #[test]
        fn every_kind_of_value_is_written_as_serde_json_writes_it(text: String, number: f64, large: u64, small: i64) {
            let json = serde_json::to_string(&text).unwrap();
            let boxed = RawValue::from_string(format!("[ {json},1.50]")).unwrap();
            let raw = Raw::from_checked(&json);
            is_alike(&Record {
                variants: vec![
                    Everything::Nothing,
                    Everything::Inside(&text),
                    Everything::Both(true, '"'),
                    Everything::Named { number, small: -1 },
                ],
                newtype: Newtype(&text),
                pair: TwoValues(large, Some(&text)),
                unit: Unit,
                tuple: (small, 1.5, u128::from(large), ()),
                absent: None,
                raw,
                boxed: &boxed,
                map: BTreeMap::from([(text.as_str(), Some(raw)), ("", None)]),
                more: BTreeMap::from([("\n", text.as_str()), ("plain", "")]),
                empty: ([], BTreeMap::new()),
            })?;
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        let refused = |value: WriteError| matches!(value, WriteError::Refused(_));
        assert!(refused(within(&BTreeMap::from([(1, 2)]), 100).unwrap_err()));
        assert!(refused(within(&BTreeMap::from([(TwoValues(1, None).0, 2)]), 100).unwrap_err()));
    }

    #[test]
    fn writing_stops_at_the_bound_and_takes_no_memory_beyond_it() {
        let list: Vec<u32> = (0..2000).collect();
        assert_eq!(within(&list, 1000).unwrap(), None);
        let mut writer = JsonWriter { bytes: Vec::new(), most: 1000, is_json: false };
        assert!(list.serialize(&mut writer).is_err());
        assert!(writer.bytes.capacity() <= 1000 && writer.bytes.len() > 990, "{}", writer.bytes.len());
    }
}
