//! Lists and timestamps in responses, serialized without copies.

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Serialize, Serializer};

use crate::domain::Timestamp;

/// A type with a public JSON shape.
pub(in crate::api) trait Show {
    /// The shape, borrowed.
    type Shape<'a>: Serialize
    where
        Self: 'a;
    fn show(&self) -> Self::Shape<'_>;
}

/// A list whose elements are serialized in their public shape.
pub(in crate::api) struct Each<'a, T>(pub(in crate::api) &'a [T]);

impl<T: Show> Serialize for Each<'_, T> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_seq(self.0.iter().map(T::show))
    }
}

/// A timestamp: RFC 3339, UTC, milliseconds.
pub(in crate::api) struct Rfc3339(pub(in crate::api) Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        writer.serialize_str(&PRINTER.timestamp_to_string(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_milliseconds_and_is_utc() {
        let shown = |text: &str| serde_json::to_string(&Rfc3339(text.parse().unwrap())).unwrap();
        assert_eq!(shown("2024-01-31T09:30:00+02:00"), r#""2024-01-31T07:30:00.000Z""#);
        assert_eq!(shown("2024-01-31T09:30:00.123999Z"), r#""2024-01-31T09:30:00.123Z""#);
    }
}
