//! The fields of the unified contact, by name.

use super::FilterName;

/// One field of the unified contact. Types of e-mails and phones are fields of their own, because CRMs differ in
/// what they can hold of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Field {
    /// `firstName`
    FirstName,
    /// `lastName`
    LastName,
    /// `account`: the name of the company the person belongs to.
    Account,
    /// `addresses`
    Addresses,
    /// `emailAddresses[].emailAddress`
    EmailAddresses,
    /// `emailAddresses[].emailAddressType`
    EmailAddressType,
    /// `phoneNumbers[].phoneNumber`
    PhoneNumbers,
    /// `phoneNumbers[].phoneNumberType`
    PhoneNumberType,
    /// `remoteFields`: what the common model lacks.
    RemoteFields,
    /// `lastActivityAt`
    LastActivityAt,
    /// `remoteCreatedAt`, and `createdAt`, which equals it.
    RemoteCreatedAt,
    /// `remoteUpdatedAt`, and `updatedAt`, which equals it.
    RemoteUpdatedAt,
    /// `remoteDeleted`
    RemoteDeleted,
}

/// A name of the unified API: of a field, a filter or a synonym; `None` for any other.
pub(super) fn known_name(name: &str) -> Option<&'static str> {
    let filters = FilterName::ALL.iter().map(|filter| filter.parameter());
    let others = ["id", "remoteId", "createdAt", "updatedAt"];
    Field::ALL.into_iter().map(Field::name).chain(filters).chain(others).find(|known| *known == name)
}

impl Field {
    /// Every field, in the order of the unified contact.
    pub const ALL: [Self; 13] = [
        Self::FirstName,
        Self::LastName,
        Self::Account,
        Self::Addresses,
        Self::EmailAddresses,
        Self::EmailAddressType,
        Self::PhoneNumbers,
        Self::PhoneNumberType,
        Self::RemoteFields,
        Self::LastActivityAt,
        Self::RemoteCreatedAt,
        Self::RemoteUpdatedAt,
        Self::RemoteDeleted,
    ];

    /// The member's name in the unified JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstName => "firstName",
            Self::LastName => "lastName",
            Self::Account => "account",
            Self::Addresses => "addresses",
            Self::EmailAddresses => "emailAddresses",
            Self::EmailAddressType => "emailAddressType",
            Self::PhoneNumbers => "phoneNumbers",
            Self::PhoneNumberType => "phoneNumberType",
            Self::RemoteFields => "remoteFields",
            Self::LastActivityAt => "lastActivityAt",
            Self::RemoteCreatedAt => "remoteCreatedAt",
            Self::RemoteUpdatedAt => "remoteUpdatedAt",
            Self::RemoteDeleted => "remoteDeleted",
        }
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u16);

impl Fields {
    /// No field.
    pub const NONE: Self = Self(0);

    /// Whether `field` is one of them.
    #[must_use]
    pub const fn contains(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds `field`.
    pub const fn insert(&mut self, field: Field) {
        self.0 |= field.bit();
    }

    /// Takes `field` out.
    pub const fn remove(&mut self, field: Field) {
        self.0 &= !field.bit();
    }

    /// The fields, in the order of the unified contact.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(move |field| self.contains(*field))
    }
}

impl Field {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}
