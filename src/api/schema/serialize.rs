//! How domain types become response bodies: shapes, lists and timestamps, serialized without copies.

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

/// Declares the public shape of a type and its [`Show`]. The pattern before `=>` destructures the type; behind it each field has its
/// type and its value.
macro_rules! shape {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident<$life:lifetime> of $of:ident { $($bound:tt)* } => {
            $($(#[$about:meta])* $field_vis:vis $field:ident: $type:ty = $value:expr,)*
        }
    ) => {
        #[derive(serde::Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "camelCase")]
        $(#[$meta])*
        $vis struct $name<$life> {
            $($(#[$about])* $field_vis $field: $type,)*
        }

        impl $crate::api::schema::Show for $of {
            type Shape<$life> = $name<$life>;

            fn show(&self) -> $name<'_> {
                let $of { $($bound)* } = self;
                $name { $($field: $value,)* }
            }
        }
    };
}
pub(super) use shape;

/// A page of records, each in its public shape.
macro_rules! listing {
    (
        #[doc = $doc:literal]
        pub(crate) struct $name:ident {
            #[doc = $about:literal]
            items: [$shape:ident] of $record:ty,
            #[doc = $cursor:literal]
            next_cursor,
        }
    ) => {
        #[doc = $doc]
        #[derive(serde::Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "camelCase")]
        #[schema(as = $name)]
        pub(crate) struct $name<'a> {
            #[doc = $about]
            #[schema(value_type = Vec<$shape>)]
            items: $crate::api::schema::Each<'a, $record>,
            #[doc = $cursor]
            #[schema(required = true)]
            next_cursor: Option<&'a str>,
        }

        impl<'a> $name<'a> {
            /// The response that shows `listing`.
            pub(crate) fn of(listing: &'a $crate::gateway::Listing<$record>) -> Self {
                let $crate::gateway::Listing { items, next_cursor } = listing;
                Self { items: $crate::api::schema::Each(items), next_cursor: next_cursor.as_deref() }
            }
        }
    };
}
pub(super) use listing;

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
