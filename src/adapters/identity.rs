//! Who is who: the values that identify people.

use crate::domain::rules::{self, Lines};
use crate::domain::{
    Contact, ContactDraft, ContactPatch, EmailAddress, Field, PhoneIdentity, PhoneNumber, Region,
    RemoteFields, Text, digits, email_identity, field_key,
};
use crate::json;

/// A number with fewer digits finds anybody or nobody.
const FEWEST_DIGITS: usize = 7;

/// By what a CRM tells people apart. All that is known of a kind is said in its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    /// By e-mail address.
    EmailAddress,
    /// By phone number.
    PhoneNumber,
    /// By a text in this remote field, such as the id of another system.
    RemoteField(&'static str),
}

impl IdentityKind {
    /// The values of this kind in a contact, a draft or a change.
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

    /// The form of a value in which equal ones are equal.
    #[must_use]
    pub fn key(self, region: Region, value: &str) -> IdentityKey {
        match self {
            Self::EmailAddress => IdentityKey::Text(email_identity(value)),
            Self::PhoneNumber => IdentityKey::Phone(PhoneIdentity::of(region, value)),
            Self::RemoteField(_) => IdentityKey::Text(value.trim().to_owned()),
        }
    }

    /// The name of a lock that writes of equal values wait for. Names sort before those of contacts, which begin with
    /// `record`.
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

    /// The field of the unified contact that shows it.
    #[must_use]
    pub const fn field(self) -> Field {
        match self {
            Self::EmailAddress => Field::EmailAddresses,
            Self::PhoneNumber => Field::PhoneNumbers,
            Self::RemoteField(_) => Field::RemoteFields,
        }
    }

    /// Its word in `matchOn` and in candidates: the unified filter of the same name, or the remote field.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EmailAddress => "emailAddress",
            Self::PhoneNumber => "phoneNumber",
            Self::RemoteField(name) => name,
        }
    }

    /// The pointer to its values in a body.
    #[must_use]
    pub fn pointer(self) -> String {
        match self {
            Self::EmailAddress | Self::PhoneNumber => format!("/{}", self.field().name()),
            Self::RemoteField(name) => format!("/{}/{name}", self.field().name()),
        }
    }

    /// Whether people who live together share it: then only a CRM that identifies people by it makes writes wait.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::PhoneNumber)
    }

    /// Whether a person can be looked up by `value`. One that breaks a rule is not written as new, so that nobody is
    /// created whom it would have found.
    #[must_use]
    pub fn is_valid(self, value: &str) -> bool {
        rules::text(value, Lines::One).is_none()
            && (self != Self::EmailAddress || rules::is_email_address(value))
    }

    /// Whether a lookup by `value` finds one person and not many.
    #[must_use]
    pub fn is_specific(self, value: &str) -> bool {
        self != Self::PhoneNumber || digits(value).len() >= FEWEST_DIGITS
    }
}

/// What may identify a person: the parts of a contact, a draft or a change.
#[derive(Clone, Copy)]
pub struct IdentitySource<'a> {
    /// E-mail addresses.
    pub emails: &'a [EmailAddress],
    /// Phone numbers.
    pub phones: &'a [PhoneNumber],
    /// Members in the CRM's own spelling.
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

/// A value in the form in which equal ones are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IdentityKey {
    /// A text.
    Text(String),
    /// A phone number.
    Phone(PhoneIdentity),
}

/// One value by which a person is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is.
    pub kind: IdentityKind,
    /// The value as it was written.
    pub value: Text,
}

/// By what a person is looked up: any match counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactIdentity(pub Vec<Identity>);

impl ContactIdentity {
    /// The values of these kinds, in their order.
    #[must_use]
    pub fn of<'a>(kinds: &[IdentityKind], of: impl Into<IdentitySource<'a>>) -> Self {
        let of = of.into();
        let values = |kind: &IdentityKind| {
            let kind = *kind;
            kind.values(of).into_iter().map(move |value| Identity { kind, value })
        };
        Self(kinds.iter().flat_map(values).collect())
    }

    /// The values of one kind.
    #[must_use]
    pub fn of_kind(&self, kind: IdentityKind) -> Self {
        self.filtered(|identity| identity.kind == kind)
    }

    /// The values of all other kinds.
    #[must_use]
    pub fn without_kind(&self, kind: IdentityKind) -> Self {
        self.filtered(|identity| identity.kind != kind)
    }

    /// The values of the kind that identifies people; all values if there is none of it. Relatives share the rest.
    #[must_use]
    pub fn identifying(&self, kind: IdentityKind) -> Self {
        let identifying = self.of_kind(kind);
        if identifying.is_empty() { self.clone() } else { identifying }
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn filtered(&self, is_meant: impl Fn(&Identity) -> bool) -> Self {
        Self(self.0.iter().filter(|identity| is_meant(identity)).cloned().collect())
    }
}
