//! Warnings: what a caller should know about a call that succeeded.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Text, string_enum};

/// The most warnings of one response, besides one that counts the others.
const MOST: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A stable code.
    pub code: WarningCode,
    /// RFC 6901 pointer into the unified contact.
    pub pointer: String,
    /// A sentence for a person; it never contains the value itself.
    pub message: Text,
}

impl Warning {
    /// A warning about the field at `pointer`.
    pub fn new(code: WarningCode, pointer: impl Into<String>, message: impl Into<Text>) -> Self {
        Self { code, pointer: pointer.into(), message: message.into() }
    }

    /// The first of `warnings`, and one that says how many are left out. Doing it twice changes nothing.
    #[must_use]
    pub fn bounded(mut warnings: Vec<Self>) -> Vec<Self> {
        let left = warnings.len().saturating_sub(MOST);
        if left > 1 {
            warnings.truncate(MOST);
            warnings.push(Self::new(
                WarningCode::Incomplete,
                "",
                format!("{left} more warnings are left out."),
            ));
        }
        warnings
    }
}

string_enum! {
    pub enum WarningCode {
        /// The CRM has no field for the value.
        NotStored = "not_stored",
        /// The CRM holds another value than the one sent.
        ChangedByUpstream = "changed_by_upstream",
        /// What was written could not be read back.
        NotVerified = "not_verified",
        /// Another writer may have made the record between the lookup and the write.
        MayHaveUpdatedExisting = "may_have_updated_existing",
        /// The phone number was passed on as written.
        PhoneNotParsed = "phone_not_parsed",
        /// Another contact may be the same person.
        PossibleDuplicate = "possible_duplicate",
        /// Only the gateway or the CRM sets the field, so it was ignored.
        ReadOnly = "read_only",
        /// This reading does not show the field, or only in part.
        Incomplete = "incomplete",
        /// A row of the list has no readable id, so it is left out.
        RowUnreadable = "row_unreadable",
        /// The scan for matching contacts reached its limit, so the page is short.
        ScanLimitReached = "scan_limit_reached",
        /// Contacts that changed while the list was read may be missing.
        WalkIncomplete = "walk_incomplete",
        /// The CRM does not keep the requested order.
        OrderChanged = "order_changed",
    }
}

impl Serialize for WarningCode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// Reads stored warnings; those of a later release are left out if this release has no code for them.
pub fn known_warnings<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Warning>, D::Error> {
    #[derive(Deserialize)]
    struct Stored {
        code: Text,
        pointer: String,
        message: Text,
    }
    let known = |Stored { code, pointer, message }| {
        Some(Warning { code: WarningCode::parse(&code)?, pointer, message })
    };
    Ok(Vec::<Stored>::deserialize(from)?.into_iter().filter_map(known).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_warnings_are_shown_and_the_others_counted_once() {
        let many = |count: usize| -> Vec<Warning> {
            (0..count).map(|n| Warning::new(WarningCode::NotStored, format!("/{n}"), "x")).collect()
        };
        assert_eq!(Warning::bounded(many(101)), many(101));
        let bounded = Warning::bounded(many(700));
        assert_eq!((bounded.len(), &bounded[..100]), (101, &many(100)[..]));
        assert_eq!(bounded[100].message, "600 more warnings are left out.");
        assert_eq!(Warning::bounded(bounded.clone()), bounded);
    }
}
