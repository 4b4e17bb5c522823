//! The values that identify a contact: e-mail address, phone number, or the id of another system.

use crate::domain::rules::{self, Lines};
use crate::domain::{
    Contact, ContactDraft, ContactPatch, EmailAddress, Field, PhoneIdentity, PhoneNumber, Region,
    RemoteFields, Text, digits, email_identity, field_key,
};
use crate::json;

/// A shorter number matches many contacts or none.
const FEWEST_DIGITS: usize = 7;

/// A kind of value that identifies a contact. All properties of a kind are methods here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    EmailAddress,
    PhoneNumber,
    /// A text in this remote field, such as the id of another system.
    RemoteField(&'static str),
}

impl IdentityKind {
    /// The values of this kind in a contact, a draft or a patch.
    #[must_use]
    pub fn values<'a>(self, of: impl Into<IdentitySource<'a>>) -> Vec<Text> {
        let IdentitySource { emails, phones, remote_fields } = of.into();
        match self {
            Self::EmailAddress => emails.iter().map(|email| email.address.clone()).collect(),
            Self::PhoneNumber => phones.iter().map(|phone| phone.number.clone()).collect(),
            Self::RemoteField(name) => {
                let key = field_key(name);
                let held = remote_fields.0.iter().find(|(name, _)| field_key(name) == key);
                let value = held.and_then(|(_, value)| json::string(value.as_str()));
                value
                    .filter(|text| !text.trim().is_empty())
                    .map(|text| Text::from(text.trim()))
                    .into_iter()
                    .collect()
            }
        }
    }

    /// The normalised value: equal identities have equal keys.
    #[must_use]
    pub fn key(self, region: Region, value: &str) -> IdentityKey {
        match self {
            Self::EmailAddress => IdentityKey::Text(email_identity(value)),
            Self::PhoneNumber => IdentityKey::Phone(PhoneIdentity::of(region, value)),
            Self::RemoteField(_) => IdentityKey::Text(value.trim().to_owned()),
        }
    }

    /// The name of the lock that serialises writes of equal values. These names sort before those of contacts,
    /// which begin with `record`.
    #[must_use]
    pub fn lock_key(self, region: Region, value: &str) -> String {
        let value = match self.key(region, value) {
            IdentityKey::Text(text) => text,
            IdentityKey::Phone(phone) => phone.lock_key(),
        };
        match self {
            Self::EmailAddress => format!("email {value}"),
            Self::PhoneNumber => format!("phone {value}"),
            Self::RemoteField(name) => format!("field {name} {value}"),
        }
    }

    /// The unified field that shows the value.
    #[must_use]
    pub const fn field(self) -> Field {
        match self {
            Self::EmailAddress => Field::EmailAddresses,
            Self::PhoneNumber => Field::PhoneNumbers,
            Self::RemoteField(_) => Field::RemoteFields,
        }
    }

    /// The name in `matchOn` and in candidates: a unified filter, or the remote field.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EmailAddress => "emailAddress",
            Self::PhoneNumber => "phoneNumber",
            Self::RemoteField(name) => name,
        }
    }

    /// The name in sentences.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::EmailAddress => "e-mail address",
            Self::PhoneNumber => "phone number",
            Self::RemoteField(name) => name,
        }
    }

    /// The pointer to the values in a body.
    #[must_use]
    pub fn pointer(self) -> String {
        match self {
            Self::EmailAddress | Self::PhoneNumber => format!("/{}", self.field().name()),
            Self::RemoteField(name) => format!("/{}/{name}", self.field().name()),
        }
    }

    /// Whether people in one household share such a value. Writes then wait for each other only if the CRM
    /// identifies contacts by it.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::PhoneNumber)
    }

    /// Whether a contact can be looked up by `value`. New values that break this rule are refused, because a
    /// lookup could not find duplicates of them.
    #[must_use]
    pub fn is_valid(self, value: &str) -> bool {
        rules::text(value, Lines::One).is_none()
            && (self != Self::EmailAddress || rules::is_email_address(value))
    }

    /// Whether `value` is long enough that a lookup does not match many contacts.
    #[must_use]
    pub fn is_specific(self, value: &str) -> bool {
        self != Self::PhoneNumber || digits(value).len() >= FEWEST_DIGITS
    }
}

/// The parts of a contact, a draft or a patch that may identify it.
#[derive(Clone, Copy)]
pub struct IdentitySource<'a> {
    pub emails: &'a [EmailAddress],
    pub phones: &'a [PhoneNumber],
    pub remote_fields: &'a RemoteFields,
}

impl<'a> From<&'a Contact> for IdentitySource<'a> {
    fn from(of: &'a Contact) -> Self {
        Self { emails: &of.email_addresses, phones: &of.phone_numbers, remote_fields: &of.remote_fields }
    }
}

impl<'a> From<&'a ContactDraft> for IdentitySource<'a> {
    fn from(of: &'a ContactDraft) -> Self {
        Self { emails: &of.email_addresses, phones: &of.phone_numbers, remote_fields: &of.remote_fields }
    }
}

impl<'a> From<&'a ContactPatch> for IdentitySource<'a> {
    fn from(of: &'a ContactPatch) -> Self {
        Self {
            emails: of.email_addresses.list().unwrap_or_default(),
            phones: of.phone_numbers.list().unwrap_or_default(),
            remote_fields: &of.remote_fields,
        }
    }
}

/// A normalised value: equal identities have equal keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IdentityKey {
    Text(String),
    Phone(PhoneIdentity),
}

/// One value to look up a contact by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub kind: IdentityKind,
    /// The value as it was written.
    pub value: Text,
}

/// The values to look up a contact by. A contact matches if it has one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactIdentity(pub Vec<Identity>);

impl ContactIdentity {
    /// The values of `kinds`, in this order.
    #[must_use]
    pub fn of<'a>(kinds: &[IdentityKind], of: impl Into<IdentitySource<'a>>) -> Self {
        let of = of.into();
        let values = |kind: &IdentityKind| {
            let kind = *kind;
            kind.values(of).into_iter().map(move |value| Identity { kind, value })
        };
        Self(kinds.iter().flat_map(values).collect())
    }

    #[must_use]
    pub fn of_kind(&self, kind: IdentityKind) -> Self {
        self.filtered(|identity| identity.kind == kind)
    }

    /// The values of all other kinds.
    #[must_use]
    pub fn without_kind(&self, kind: IdentityKind) -> Self {
        self.filtered(|identity| identity.kind != kind)
    }

    /// The values of the kind that identifies contacts, or all values if there is none. Relatives share values
    /// of the other kinds.
    #[must_use]
    pub fn identifying(&self, kind: IdentityKind) -> Self {
        let identifying = self.of_kind(kind);
        if identifying.is_empty() { self.clone() } else { identifying }
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn filtered(&self, is_meant: impl Fn(&Identity) -> bool) -> Self {
        Self(self.0.iter().filter(|identity| is_meant(identity)).cloned().collect())
    }
}
