//! What a caller asks to be written: a new contact, or changes to one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::field::known_name;
use super::{Address, EmailAddress, PhoneNumber, RawJson, RemoteFields, Text};

/// A contact to be created; it satisfies the unified rules (required members, limits, well-formed e-mails).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactDraft {
    /// Given name.
    pub first_name: Option<Text>,
    /// Family name, never empty.
    pub last_name: Text,
    /// Company the person belongs to.
    pub account: Option<Text>,
    /// Postal addresses.
    pub addresses: Vec<Address>,
    /// E-mail addresses, at most 50.
    pub email_addresses: Vec<EmailAddress>,
    /// Phone numbers, at most 50.
    pub phone_numbers: Vec<PhoneNumber>,
    /// Members in the CRM's own spelling.
    pub remote_fields: RemoteFields,
    /// Read-only members that came along; ignored with a warning.
    #[serde(deserialize_with = "known_members")]
    pub read_only: Vec<ReadOnlyMember>,
}

impl ContactDraft {
    /// A contact of which only the family name is known.
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
}

/// Changes to a contact: what is kept, cleared, set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContactPatch {
    /// Given name.
    pub first_name: Patch<Text>,
    /// Family name.
    pub last_name: Patch<Text>,
    /// Company the person belongs to.
    pub account: Patch<Text>,
    /// The whole list of addresses.
    pub addresses: Patch<Vec<Address>>,
    /// The whole list of e-mail addresses.
    pub email_addresses: Patch<Vec<EmailAddress>>,
    /// The whole list of phone numbers.
    pub phone_numbers: Patch<Vec<PhoneNumber>>,
    /// Members in the CRM's own spelling; `null` clears one, absent ones are kept.
    pub remote_fields: RemoteFields,
    /// Read-only members that came along; ignored, with a warning where they differ from what the CRM holds.
    pub read_only: Vec<ReadOnlyMember>,
}

impl ContactPatch {
    /// The contact that is created where nobody is there to be changed; `None` without a last name. What is cleared is
    /// absent from it.
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

/// Whether a body with these read-only members was made from a contact that was read: then what only the CRM sets comes
/// along without being meant.
#[must_use]
pub fn is_read_back(read_only: &[ReadOnlyMember]) -> bool {
    let ours = |name: &str| matches!(name, "id" | "remoteId" | "remoteUpdatedAt");
    read_only.iter().any(|member| ours(member.name) && !member.value.is_null())
}

/// A body that changes the person who is found, or creates one: read as both.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactUpsert {
    /// The contact that is created; it holds nothing that the body clears.
    pub draft: ContactDraft,
    /// The changes to a contact that is there.
    pub patch: ContactPatch,
}

impl ContactUpsert {
    /// Both readings of `patch`; `None` without a last name, which a create needs.
    #[must_use]
    pub fn of(patch: ContactPatch) -> Option<Self> {
        Some(Self { draft: patch.to_draft()?, patch })
    }
}

/// A member that only the gateway or the CRM sets (`id`, `remoteId`, the times, `remoteDeleted`), sent by a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOnlyMember {
    /// The member's name in the unified JSON.
    pub name: &'static str,
    /// The value as sent.
    pub value: RawJson,
}

/// Stored as a pair.
impl Serialize for ReadOnlyMember {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.name, &self.value).serialize(to)
    }
}

/// Reads members that were stored; one that this release does not know is left out.
fn known_members<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ReadOnlyMember>, D::Error> {
    let all = Vec::<(Text, RawJson)>::deserialize(from)?.into_iter();
    Ok(all.filter_map(|(name, value)| Some(ReadOnlyMember { name: known_name(&name)?, value })).collect())
}

/// One member of a change: absent, `null` (or an empty list), or a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Absent: untouched.
    #[default]
    Keep,
    /// `null`: cleared.
    Clear,
    /// Set to this.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the member is named at all.
    #[must_use]
    pub const fn touches(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// The same change, of another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(change(value)),
        }
    }

    /// The value that is set, if one is.
    #[must_use]
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl<T> Patch<Vec<T>> {
    /// The whole list that is asked for; `None` where it is untouched.
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
    /// A value is set, nothing is kept: how a draft reads as the change of an empty record.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }
}
