//! Warnings in responses.

use serde::Serialize;
use utoipa::ToSchema;

use super::Show;
use crate::domain::Warning;

/// A warning about a request that succeeded.
#[derive(Serialize, ToSchema)]
#[schema(as = Warning)]
pub(in crate::api) struct WarningShape<'a> {
    /// A stable code: `not_stored`, `changed_by_upstream`, `not_verified`, `may_have_updated_existing`,
    /// `phone_not_parsed`, `possible_duplicate`, `read_only`, `incomplete`, `row_unreadable`, `order_changed`. New codes may be added.
    code: &'static str,
    /// The location in the contact, as an RFC 6901 pointer.
    pointer: &'a str,
    /// An explanation for people.
    message: &'a str,
}

impl Show for Warning {
    type Shape<'a> = WarningShape<'a>;

    fn show(&self) -> WarningShape<'_> {
        let Self { code, pointer, message } = self;
        WarningShape { code: code.as_str(), pointer, message }
    }
}
