//! What a caller wants written: a new contact, or changes to one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::field::known_name;
use super::{Address, EmailAddress, Field, PhoneNumber, RawJson, RemoteFields, Text};

/// A contact to be created. It satisfies the unified rules: required fields, limits, valid e-mail addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactDraft {
    /// Given name.
    pub first_name: Option<Text>,
    /// Family name, never empty.
    pub last_name: Text,
    /// The company the person belongs to.
    pub account: Option<Text>,
    pub addresses: Vec<Address>,
    /// E-mail addresses, at most 50.
    pub email_addresses: Vec<EmailAddress>,
    pub phone_numbers: Vec<PhoneNumber>,
    /// Fields by the CRM's own names.
    pub remote_fields: RemoteFields,
    /// Read-only fields that were sent; ignored with a warning.
    #[serde(deserialize_with = "known_members")]
    pub read_only: Vec<ReadOnlyMember>,
}

impl ContactDraft {
    /// A contact with a family name and nothing else.
    #[must_use]
    pub fn of_name(last_name: Text) -> Self {
        Self {
            first_name: None,
            last_name,
            account: None,
            addresses: Vec::new(),
            email_addresses: Vec::new(),
            phone_numbers: Vec::new(),
            remote_fields: RemoteFields::default(),
            read_only: Vec::new(),
        }
    }

    /// Whether the contact has a value in `field`.
    #[must_use]
    pub const fn gives(&self, field: Field) -> bool {
        match field {
            Field::FirstName => self.first_name.is_some(),
            Field::LastName => true,
            Field::Account => self.account.is_some(),
            Field::Addresses => !self.addresses.is_empty(),
            Field::EmailAddresses => !self.email_addresses.is_empty(),
            Field::PhoneNumbers => !self.phone_numbers.is_empty(),
            // Types belong to their lists. `remoteFields` are counted one by one. The others are set only by the CRM.
            Field::EmailAddressType
            | Field::PhoneNumberType
            | Field::RemoteFields
            | Field::LastActivityAt
            | Field::RemoteCreatedAt
            | Field::RemoteUpdatedAt
            | Field::RemoteDeleted => false,
        }
    }
}

/// Changes to a contact. Each field is kept, cleared or set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContactPatch {
    /// Given name.
    pub first_name: Patch<Text>,
    /// Family name.
    pub last_name: Patch<Text>,
    /// The company the person belongs to.
    pub account: Patch<Text>,
    /// The whole list of addresses.
    pub addresses: Patch<Vec<Address>>,
    /// The whole list of e-mail addresses.
    pub email_addresses: Patch<Vec<EmailAddress>>,
    /// The whole list of phone numbers.
    pub phone_numbers: Patch<Vec<PhoneNumber>>,
    /// Fields by the CRM's own names; `null` clears one, absent ones are kept.
    pub remote_fields: RemoteFields,
    /// Read-only fields that were sent; ignored, with a warning if they differ from what the CRM holds.
    pub read_only: Vec<ReadOnlyMember>,
}

impl ContactPatch {
    /// Whether `field` is cleared or set.
    #[must_use]
    pub const fn touches(&self, field: Field) -> bool {
        match field {
            Field::FirstName => self.first_name.touches(),
            Field::LastName => self.last_name.touches(),
            Field::Account => self.account.touches(),
            Field::Addresses => self.addresses.touches(),
            Field::EmailAddresses => self.email_addresses.touches(),
            Field::PhoneNumbers => self.phone_numbers.touches(),
            // Types belong to their lists. `remoteFields` are counted one by one. The others are set only by the CRM.
            Field::EmailAddressType
            | Field::PhoneNumberType
            | Field::RemoteFields
            | Field::LastActivityAt
            | Field::RemoteCreatedAt
            | Field::RemoteUpdatedAt
            | Field::RemoteDeleted => false,
        }
    }

    /// The contact that an upsert creates if no contact matches; `None` without a last name. Cleared fields are absent from it.
    #[must_use]
    pub fn to_draft(&self) -> Option<ContactDraft> {
        let Self {
            first_name,
            last_name,
            account,
            addresses,
            email_addresses,
            phone_numbers,
            remote_fields,
            read_only,
        } = self;
        Some(ContactDraft {
            first_name: first_name.value().cloned(),
            last_name: last_name.value()?.clone(),
            account: account.value().cloned(),
            addresses: addresses.value().cloned().unwrap_or_default(),
            email_addresses: email_addresses.value().cloned().unwrap_or_default(),
            phone_numbers: phone_numbers.value().cloned().unwrap_or_default(),
            remote_fields: remote_fields.clone(),
            read_only: read_only.clone(),
        })
    }
}

/// Whether a body with these read-only fields was made from a contact that was read. Then it contains fields that only the
/// CRM sets, and the caller does not mean to change them.
#[must_use]
pub fn is_read_back(read_only: &[ReadOnlyMember]) -> bool {
    let ours = |name: &str| matches!(name, "id" | "remoteId" | "remoteUpdatedAt");
    read_only.iter().any(|member| ours(member.name) && !member.value.is_null())
}

/// The body of an upsert, read both as a create and as a change.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactUpsert {
    /// The contact that is created; fields that the body clears are absent.
    pub draft: ContactDraft,
    /// The changes to an existing contact.
    pub patch: ContactPatch,
}

impl ContactUpsert {
    /// Reads `patch` both ways; `None` without a last name, which a create needs.
    #[must_use]
    pub fn of(patch: ContactPatch) -> Option<Self> {
        Some(Self { draft: patch.to_draft()?, patch })
    }
}

/// A field that only the gateway or the CRM sets (`id`, `remoteId`, the times, `remoteDeleted`), sent by a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOnlyMember {
    /// The field's name in the unified JSON.
    pub name: &'static str,
    pub value: RawJson,
}

/// Stored as a pair.
impl Serialize for ReadOnlyMember {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.name, &self.value).serialize(to)
    }
}

/// Reads stored fields; those that this release does not know are left out.
fn known_members<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ReadOnlyMember>, D::Error> {
    let all = Vec::<(Text, RawJson)>::deserialize(from)?.into_iter();
    Ok(all.filter_map(|(name, value)| Some(ReadOnlyMember { name: known_name(&name)?, value })).collect())
}

/// One field of a change: absent, `null` (or an empty list), or a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Absent: not changed.
    #[default]
    Keep,
    /// `null`: cleared.
    Clear,
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the field is present.
    #[must_use]
    pub const fn touches(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// The same change with the value converted.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(change(value)),
        }
    }

    /// The value that is set, if any.
    #[must_use]
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl<T> Patch<Vec<T>> {
    /// The whole new list; `None` if it is not changed.
    #[must_use]
    pub fn list(&self) -> Option<&[T]> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(&[]),
            Self::Set(list) => Some(list),
        }
    }
}

impl<T> From<Option<T>> for Patch<T> {
    /// How a draft reads as the change of an empty record.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }
}
