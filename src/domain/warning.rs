//! What an answer says about a write that was not stored to the letter.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Text;

/// Warnings that one response bears, beside one that counts the others.
const MOST: usize = 100;

/// Something the caller should know although the call succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The kind of warning, a stable word.
    pub code: WarningCode,
    /// RFC 6901 pointer into the unified contact.
    pub pointer: String,
    /// A sentence for a person; it never holds the value itself.
    pub message: Text,
}

impl Warning {
    /// A warning about the member at `pointer`.
    pub fn new(code: WarningCode, pointer: impl Into<String>, message: impl Into<Text>) -> Self {
        Self { code, pointer: pointer.into(), message: message.into() }
    }

    /// The first of `warnings`, and one that says how many are left out. Bounded twice they stay as they are.
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

/// The kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WarningCode {
    /// The CRM has no home for the member.
    NotStored,
    /// The CRM holds another value than the one sent.
    ChangedByUpstream,
    /// What was written could not be read back.
    NotVerified,
    /// Another writer may have made the record between the look-up and the write.
    MayHaveUpdatedExisting,
    /// The phone number was passed on as it came.
    PhoneNotParsed,
    /// Another contact may be the same person.
    PossibleDuplicate,
    /// The member is set by the gateway or the CRM alone and was ignored.
    ReadOnly,
    /// This reading shows the field not at all, or only in part.
    Incomplete,
    /// A row of the list has no id that can be read, so it is left out.
    RowUnreadable,
    /// The CRM does not keep the order that was asked for.
    OrderChanged,
}

impl WarningCode {
    /// Every code.
    pub const ALL: [Self; 10] = [
        Self::NotStored,
        Self::ChangedByUpstream,
        Self::NotVerified,
        Self::MayHaveUpdatedExisting,
        Self::PhoneNotParsed,
        Self::PossibleDuplicate,
        Self::ReadOnly,
        Self::Incomplete,
        Self::RowUnreadable,
        Self::OrderChanged,
    ];

    /// The code that `word` names, if it names one.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }

    /// The word in the JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStored => "not_stored",
            Self::ChangedByUpstream => "changed_by_upstream",
            Self::NotVerified => "not_verified",
            Self::MayHaveUpdatedExisting => "may_have_updated_existing",
            Self::PhoneNotParsed => "phone_not_parsed",
            Self::PossibleDuplicate => "possible_duplicate",
            Self::ReadOnly => "read_only",
            Self::Incomplete => "incomplete",
            Self::RowUnreadable => "row_unreadable",
            Self::OrderChanged => "order_changed",
        }
    }
}

impl Serialize for WarningCode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// Reads warnings that were stored; one of a later release is left out, as this one has no code for it.
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
