//! What an answer says about a write that was not stored to the letter.

use super::Text;

/// Something the caller should know although the call succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The member is set by the gateway or the CRM alone and was ignored.
    ReadOnly,
    /// This reading shows the member only in part.
    Incomplete,
}

impl WarningCode {
    /// Every code.
    pub const ALL: [Self; 7] = [
        Self::NotStored,
        Self::ChangedByUpstream,
        Self::NotVerified,
        Self::MayHaveUpdatedExisting,
        Self::PhoneNotParsed,
        Self::ReadOnly,
        Self::Incomplete,
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
            Self::ReadOnly => "read_only",
            Self::Incomplete => "incomplete",
        }
    }
}
