//! Warnings in answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::Show;
use crate::domain::Warning;

/// Something the caller should know although the call succeeded.
#[derive(Serialize, ToSchema)]
#[schema(as = Warning)]
pub(in crate::api) struct WarningShape<'a> {
    /// A stable word: `not_stored`, `changed_by_upstream`, `not_verified`, `may_have_updated_existing`,
    /// `phone_not_parsed`, `possible_duplicate`, `read_only`, `incomplete`, `row_unreadable`, `order_changed`. There may come more.
    code: &'static str,
    /// RFC 6901 pointer into the contact.
    pointer: &'a str,
    /// A sentence for a person.
    message: &'a str,
}

impl Show for Warning {
    type Shape<'a> = WarningShape<'a>;

    fn show(&self) -> WarningShape<'_> {
        let Self { code, pointer, message } = self;
        WarningShape { code: code.as_str(), pointer, message }
    }
}
