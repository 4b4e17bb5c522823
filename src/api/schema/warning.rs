//! Warnings in responses.

use super::shape;
use crate::domain::Warning;

shape! {
    /// A warning about a request that succeeded.
    #[schema(as = Warning)]
    pub(in crate::api) struct WarningShape<'a> of Warning { code, pointer, message } => {
        /// A stable code: `not_stored`, `changed_by_upstream`, `not_verified`, `may_have_updated_existing`,
        /// `phone_not_parsed`, `possible_duplicate`, `read_only`, `incomplete`, `row_unreadable`, `order_changed`. New codes may be added.
        code: &'static str = code.as_str(),
        /// The location in the contact, as an RFC 6901 pointer.
        pointer: &'a str = pointer,
        /// An explanation for people.
        message: &'a str = message,
    }
}
