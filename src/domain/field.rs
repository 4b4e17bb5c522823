//! The fields of the unified contact, by name.

use super::{FilterName, bounds, string_enum};

string_enum! {
    /// One field of the unified contact, by its name in the unified JSON. Types of e-mails and phones are fields of their own,
    /// because CRMs differ in what they can hold of them.
    pub enum Field, word name {
        FirstName = "firstName",
        LastName = "lastName",
        /// The name of the company the person belongs to.
        Account = "account",
        Addresses = "addresses",
        EmailAddresses = "emailAddresses",
        /// `emailAddresses[].emailAddressType`
        EmailAddressType = "emailAddressType",
        PhoneNumbers = "phoneNumbers",
        /// `phoneNumbers[].phoneNumberType`
        PhoneNumberType = "phoneNumberType",
        /// Fields outside the common model.
        RemoteFields = "remoteFields",
        LastActivityAt = "lastActivityAt",
        /// Also `createdAt`, which equals it.
        RemoteCreatedAt = "remoteCreatedAt",
        /// Also `updatedAt`, which equals it.
        RemoteUpdatedAt = "remoteUpdatedAt",
        RemoteDeleted = "remoteDeleted",
    }
}

/// `name` as a static text, if it is a field, filter or alias of the unified API.
pub(super) fn known_name(name: &str) -> Option<&'static str> {
    let filters = FilterName::ALL.iter().map(|filter| filter.parameter());
    let others = ["id", "remoteId", "createdAt", "updatedAt"];
    Field::ALL.into_iter().map(Field::name).chain(filters).chain(others).find(|known| *known == name)
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u16);

impl Fields {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub const fn contains(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn insert(&mut self, field: Field) {
        self.0 |= field.bit();
    }

    pub const fn remove(&mut self, field: Field) {
        self.0 &= !field.bit();
    }

    /// The fields, in the order of the unified contact.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(move |field| self.contains(*field))
    }
}

impl Field {
    /// The type of its value in JSON.
    #[must_use]
    pub const fn json_type(self) -> &'static str {
        match self {
            Self::Addresses | Self::EmailAddresses | Self::PhoneNumbers => "array",
            Self::RemoteFields => "object",
            Self::RemoteDeleted => "boolean",
            _ => "string",
        }
    }

    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Self::LastActivityAt | Self::RemoteCreatedAt | Self::RemoteUpdatedAt)
    }

    /// The most new entries of a list; `None` if it is no list.
    #[must_use]
    pub const fn entries_most(self) -> Option<usize> {
        match self {
            Self::Addresses => Some(bounds::ADDRESSES_MOST),
            Self::EmailAddresses => Some(bounds::EMAILS_MOST),
            Self::PhoneNumbers => Some(bounds::PHONES_MOST),
            _ => None,
        }
    }

    /// Whether every create needs it, whatever the CRM.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::LastName)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}
