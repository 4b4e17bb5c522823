//! One person as the gateway sees them, whichever CRM holds the record.

use super::{Field, RawJson, RemoteId, Text, Timestamp};

/// A contact as read from a CRM. Absent scalars are `None`, absent lists empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// The CRM's own id.
    pub remote_id: RemoteId,
    /// Given name.
    pub first_name: Option<Text>,
    /// Family name.
    pub last_name: Option<Text>,
    /// Company the person belongs to.
    pub account: Option<Text>,
    /// Postal addresses.
    pub addresses: Vec<Address>,
    /// E-mail addresses, the main one first.
    pub email_addresses: Vec<EmailAddress>,
    /// Phone numbers in the CRM's order.
    pub phone_numbers: Vec<PhoneNumber>,
    /// Every upstream key that no unified field consumed, in the upstream's spelling.
    pub remote_fields: RemoteFields,
    /// Last contact with the person, where the CRM tells.
    pub last_activity_at: Option<Timestamp>,
    /// When the CRM made the record.
    pub remote_created_at: Option<Timestamp>,
    /// When the CRM last changed the record.
    pub remote_updated_at: Option<Timestamp>,
    /// Whether the CRM says that the record was removed.
    pub remote_deleted: bool,
    /// Fields that this reading could see only in part; they are never used to verify or to diff.
    pub incomplete: Vec<Field>,
}

impl Contact {
    /// A contact of which only the id is known.
    #[must_use]
    pub fn bare(remote_id: RemoteId) -> Self {
        Self {
            remote_id,
            first_name: None,
            last_name: None,
            account: None,
            addresses: Vec::new(),
            email_addresses: Vec::new(),
            phone_numbers: Vec::new(),
            remote_fields: RemoteFields::default(),
            last_activity_at: None,
            remote_created_at: None,
            remote_updated_at: None,
            remote_deleted: false,
            incomplete: Vec::new(),
        }
    }
}

/// A postal address; every part is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Free word, such as `billing`.
    pub address_type: Option<Text>,
    /// First line.
    pub street1: Option<Text>,
    /// Second line.
    pub street2: Option<Text>,
    /// City.
    pub city: Option<Text>,
    /// State.
    pub state: Option<Text>,
    /// Subdivision of the country.
    pub country_subdivision: Option<Text>,
    /// Country.
    pub country: Option<Text>,
    /// Postal code.
    pub postal_code: Option<Text>,
}

/// An e-mail address and its type, a free word such as `main`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailAddress {
    /// The address.
    pub address: Text,
    /// Its type.
    pub kind: Option<Text>,
}

/// A phone number and its type, a free word such as `mobile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber {
    /// The number as written.
    pub number: Text,
    /// Its type.
    pub kind: Option<Text>,
}

/// Members that the common model lacks, in order, each a validated JSON value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteFields(pub Vec<(Text, RawJson)>);

impl RemoteFields {
    /// The value of `key`, spelled exactly so.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&RawJson> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Whether there is no member.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
