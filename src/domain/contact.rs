//! One contact in the common model, whichever CRM holds it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize, Serializer};

use super::rules::Lines;
use super::{Field, Fields, RawJson, RemoteId, Text, Timestamp};

/// A contact as one reading of a CRM shows it. A scalar that the CRM shows empty, or never has, is `None`, and a list is
/// empty. Fields that the reading does not show are named in `unseen`: nothing is known about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// The CRM's own id.
    pub remote_id: RemoteId,
    /// Given name.
    pub first_name: Option<Text>,
    /// Family name.
    pub last_name: Option<Text>,
    /// The company the person belongs to.
    pub account: Option<Text>,
    pub addresses: Vec<Address>,
    /// E-mail addresses, the main one first.
    pub email_addresses: Vec<EmailAddress>,
    /// Phone numbers in the CRM's order.
    pub phone_numbers: Vec<PhoneNumber>,
    /// Every CRM field that no unified field took, by the CRM's names.
    pub remote_fields: RemoteFields,
    /// The last contact with the person, if the CRM has it.
    pub last_activity_at: Option<Timestamp>,
    /// When the CRM created the record.
    pub remote_created_at: Option<Timestamp>,
    /// When the CRM last changed the record.
    pub remote_updated_at: Option<Timestamp>,
    /// Whether the CRM says that the record was removed.
    pub remote_deleted: bool,
    /// Fields that the CRM has but this reading does not show. Their value here is empty and means nothing.
    pub unseen: Fields,
    /// Fields of which this reading shows only a part, such as the first of several phone numbers.
    pub partial: Fields,
    /// Fields whose value could not be read. They are also `unseen` or `partial`, and stay in `remote_fields` unchanged.
    pub unreadable: Fields,
    /// Whether first and last name were split from a full name, because the CRM shows no parts.
    pub names_derived: bool,
    pub read_by: ReadBy,
    /// The record has more remote fields than are read, so `remote_fields` is not shown.
    pub remote_fields_unread: bool,
}

/// How a contact was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBy {
    /// By its id, as completely as the CRM shows it. Only such a reading has an `ETag`.
    Id,
    /// As a row of a list, or in part from another response: it may show less.
    List,
}

impl Contact {
    /// A contact with its id and nothing else.
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
            unseen: Fields::NONE,
            partial: Fields::NONE,
            unreadable: Fields::NONE,
            names_derived: false,
            read_by: ReadBy::List,
            remote_fields_unread: false,
        }
    }

    /// Notes that the record has more remote fields than are read.
    pub fn leave_remote_fields_unread(&mut self) {
        self.remote_fields = RemoteFields::default();
        self.remote_fields_unread = true;
        self.partial.insert(Field::RemoteFields);
    }

    /// Whether this reading shows the whole of `field`.
    #[must_use]
    pub const fn shows(&self, field: Field) -> bool {
        !self.unseen.contains(field) && !self.partial.contains(field)
    }

    /// The same contact with texts of its own, which do not keep the CRM's reply in memory.
    #[must_use]
    pub fn detached(mut self) -> Self {
        fn own(text: &mut Text) {
            *text = Text::from(text.as_str());
        }
        self.remote_id = RemoteId::from(self.remote_id.as_str());
        let names = [&mut self.first_name, &mut self.last_name, &mut self.account];
        let parts = self.addresses.iter_mut().flat_map(|address| {
            let Address {
                address_type,
                street1,
                street2,
                city,
                state,
                country_subdivision,
                country,
                postal_code,
            } = address;
            [address_type, street1, street2, city, state, country_subdivision, country, postal_code]
        });
        names.into_iter().chain(parts).flatten().for_each(own);
        for EmailAddress { address, kind } in &mut self.email_addresses {
            std::iter::once(address).chain(kind).for_each(own);
        }
        for PhoneNumber { number, kind } in &mut self.phone_numbers {
            std::iter::once(number).chain(kind).for_each(own);
        }
        for (name, value) in &mut self.remote_fields.0 {
            own(name);
            *value = RawJson::from_validated(Text::from(value.as_str()));
        }
        self
    }

    /// The approximate number of bytes of its texts.
    #[must_use]
    pub fn size(&self) -> usize {
        let texts = [&self.first_name, &self.last_name, &self.account];
        let emails = self.email_addresses.iter().map(|email| email.address.len());
        let phones = self.phone_numbers.iter().map(|phone| phone.number.len());
        // Each entry is written with about forty bytes of field names.
        let lists = emails.chain(phones).map(|length| length + 40).sum::<usize>();
        texts.into_iter().flatten().map(|text| text.len()).sum::<usize>() + lists + self.remote_fields.size()
    }
}

/// A postal address; every part is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// A free text, such as `billing`.
    pub address_type: Option<Text>,
    pub street1: Option<Text>,
    pub street2: Option<Text>,
    pub city: Option<Text>,
    pub state: Option<Text>,
    pub country_subdivision: Option<Text>,
    pub country: Option<Text>,
    pub postal_code: Option<Text>,
}

impl Address {
    /// Each part with its name in the unified JSON, and whether it may have several lines.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, Option<&Text>, Lines); 8] {
        let Self { address_type, street1, street2, city, state, country_subdivision, country, postal_code } =
            self;
        [
            ("addressType", address_type.as_ref(), Lines::One),
            ("street1", street1.as_ref(), Lines::Several),
            ("street2", street2.as_ref(), Lines::Several),
            ("city", city.as_ref(), Lines::One),
            ("state", state.as_ref(), Lines::One),
            ("countrySubdivision", country_subdivision.as_ref(), Lines::One),
            ("country", country.as_ref(), Lines::One),
            ("postalCode", postal_code.as_ref(), Lines::One),
        ]
    }
}

/// An e-mail address and its type, a free text such as `main`. Stored as a pair.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EmailAddress {
    pub address: Text,
    pub kind: Option<Text>,
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (&self.address, &self.kind).serialize(to)
    }
}

/// The form in which equal e-mail addresses are equal texts: no CRM distinguishes case or surrounding blanks.
#[must_use]
pub fn email_identity(address: &str) -> String {
    let mut identity = String::with_capacity(address.len());
    identity.extend(address.trim().chars().flat_map(char::to_lowercase));
    identity
}

/// A phone number and its type, a free text such as `mobile`. Stored as a pair.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PhoneNumber {
    /// The number as written.
    pub number: Text,
    pub kind: Option<Text>,
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (&self.number, &self.kind).serialize(to)
    }
}

/// Fields outside the common model, in order, each a validated JSON value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFields(pub Vec<(Text, RawJson)>);

impl RemoteFields {
    /// The value of `key`, compared exactly.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&RawJson> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The first value of each key, for more than a few lookups.
    #[must_use]
    pub fn by_name(&self) -> HashMap<&str, &RawJson> {
        self.0.iter().rev().map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// The approximate number of bytes as JSON.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.as_str().len() + 4).sum()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
