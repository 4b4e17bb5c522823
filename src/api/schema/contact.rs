//! A contact in a response. A field that the CRM did not show is left out; one that it shows empty is `null` or `[]`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::warning::WarningShape;
use super::{Each, Rfc3339, Show};
use crate::domain::{
    Address, Contact, EmailAddress, Field, PhoneNumber, RemoteFields, Text, Timestamp, Warning,
};
use crate::gateway::contacts::{ContactView, UpsertOutcome};

/// One contact and what the caller should know about it.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactAnswer)]
pub(in crate::api) struct ContactAnswer<'a> {
    #[schema(value_type = ContactShape)]
    contact: ContactJson<'a>,
    /// What the caller should know although the call succeeded.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

impl<'a> ContactAnswer<'a> {
    /// The response that shows `shown` whole.
    pub(in crate::api) fn of(shown: &'a ContactView) -> Self {
        Self::of_write(shown, Extent::Whole)
    }

    /// The response of a write, which shows as much of the contact as `extent` says.
    pub(in crate::api) fn of_write(shown: &'a ContactView, extent: Extent) -> Self {
        Self { contact: ContactJson::of(shown, extent), warnings: Each(&shown.warnings) }
    }
}

/// One contact, and whether it was created or changed.
#[derive(Serialize, ToSchema)]
#[schema(as = UpsertAnswer)]
pub(in crate::api) struct UpsertAnswer<'a> {
    #[schema(value_type = ContactShape)]
    contact: ContactJson<'a>,
    /// `created` or `updated`.
    #[schema(examples("created", "updated"))]
    outcome: &'static str,
    /// What the caller should know although the call succeeded.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

impl<'a> UpsertAnswer<'a> {
    /// The response that shows `shown` whole.
    pub(in crate::api) fn of(shown: &'a ContactView) -> Self {
        Self::of_write(shown, Extent::Whole)
    }

    /// The response of a write, which shows as much of the contact as `extent` says.
    pub(in crate::api) fn of_write(shown: &'a ContactView, extent: Extent) -> Self {
        let outcome = match shown.outcome {
            Some(UpsertOutcome::Created) => "created",
            Some(UpsertOutcome::Updated) | None => "updated",
        };
        Self { contact: ContactJson::of(shown, extent), outcome, warnings: Each(&shown.warnings) }
    }
}

/// How many contacts match.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct CountAnswer {
    /// How many.
    pub(in crate::api) count: u64,
}

/// A contact is gone.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct DeleteAnswer {
    /// Always true.
    pub(in crate::api) success: bool,
}

/// How much of a contact the response of a write shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Extent {
    /// Every field.
    Whole,
    /// What the schema requires.
    IdsOnly,
}

/// A contact as a response shows it.
#[derive(Serialize)]
#[serde(untagged)]
enum ContactJson<'a> {
    Whole(Box<ContactShape<'a>>),
    Ids(ContactIds<'a>),
}

impl<'a> ContactJson<'a> {
    fn of(shown: &'a ContactView, extent: Extent) -> Self {
        let ContactView { id, contact, warnings: _, outcome: _, tag: _ } = shown;
        if extent == Extent::Whole {
            return Self::Whole(Box::new(ContactShape::of(id, contact)));
        }
        Self::Ids(ContactIds {
            id,
            remote_id: contact.remote_id.as_str(),
            remote_fields: RemoteFieldsShape(&contact.remote_fields),
            remote_deleted: contact.remote_deleted,
        })
    }
}

/// A contact of which no more fits into the response of a write: what the schema requires.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContactIds<'a> {
    id: &'a str,
    remote_id: &'a str,
    remote_fields: RemoteFieldsShape<'a>,
    remote_deleted: bool,
}

/// One person, whichever the CRM. A field that the CRM did not show is left out, and the warning `incomplete` names it; `null`
/// or `[]` means that the CRM shows it empty or never has it. The response of a write that would have more than 64 KiB is shortened: without
/// `remoteFields`, or with the required fields alone. The warning `incomplete` says so; read the contact by its id then.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Contact)]
pub(in crate::api) struct ContactShape<'a> {
    /// The gateway's id, stable while the credential lives.
    id: &'a str,
    /// The CRM's own id.
    remote_id: &'a str,
    /// Given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    first_name: Option<Option<&'a str>>,
    /// Family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    last_name: Option<Option<&'a str>>,
    /// Company the person belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    account: Option<Option<&'a str>>,
    /// Postal addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<AddressShape>>, required = false)]
    addresses: Option<Each<'a, Address>>,
    /// E-mail addresses, the main one first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<EmailAddressShape>>, required = false)]
    email_addresses: Option<Each<'a, EmailAddress>>,
    /// Phone numbers in the CRM's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<PhoneNumberShape>>, required = false)]
    phone_numbers: Option<Each<'a, PhoneNumber>>,
    /// What the CRM holds and the common model lacks, in the CRM's own spelling. Empty, with the warning `incomplete`, where
    /// these are more than 5,000, and in a shortened response.
    #[schema(value_type = Object)]
    remote_fields: RemoteFieldsShape<'a>,
    /// Last activity with the person, where the CRM tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    last_activity_at: Option<Option<Rfc3339>>,
    /// When the CRM made the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    remote_created_at: Option<Option<Rfc3339>>,
    /// When the CRM last changed the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    remote_updated_at: Option<Option<Rfc3339>>,
    /// Whether the CRM says that the record was removed.
    remote_deleted: bool,
    /// The same as `remoteCreatedAt`: the gateway keeps no record of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    created_at: Option<Option<Rfc3339>>,
    /// The same as `remoteUpdatedAt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    updated_at: Option<Option<Rfc3339>>,
}

impl<'a> ContactShape<'a> {
    /// The shape of `contact`, which the gateway calls `id`.
    pub(super) fn of(id: &'a str, contact: &'a Contact) -> Self {
        let Contact {
            remote_id,
            first_name,
            last_name,
            account,
            addresses,
            email_addresses,
            phone_numbers,
            remote_fields,
            last_activity_at,
            remote_created_at,
            remote_updated_at,
            remote_deleted,
            unseen,
            // Told by warnings.
            partial: _,
            unreadable: _,
            read_by: _,
            remote_fields_unread: _,
            names_derived: _,
        } = contact;
        let seen = |field: Field| !unseen.contains(field);
        let text = |field: Field, text: &'a Option<Text>| seen(field).then_some(text.as_deref());
        let time = |field: Field, time: &Option<Timestamp>| seen(field).then_some(time.map(Rfc3339));
        let created = || time(Field::RemoteCreatedAt, remote_created_at);
        let updated = || time(Field::RemoteUpdatedAt, remote_updated_at);
        Self {
            id,
            remote_id: remote_id.as_str(),
            first_name: text(Field::FirstName, first_name),
            last_name: text(Field::LastName, last_name),
            account: text(Field::Account, account),
            addresses: seen(Field::Addresses).then_some(Each(addresses)),
            email_addresses: seen(Field::EmailAddresses).then_some(Each(email_addresses)),
            phone_numbers: seen(Field::PhoneNumbers).then_some(Each(phone_numbers)),
            remote_fields: RemoteFieldsShape(remote_fields),
            last_activity_at: time(Field::LastActivityAt, last_activity_at),
            remote_created_at: created(),
            remote_updated_at: updated(),
            remote_deleted: *remote_deleted,
            created_at: created(),
            updated_at: updated(),
        }
    }
}

/// Members passed on digit by digit, as the CRM wrote them.
struct RemoteFieldsShape<'a>(&'a RemoteFields);

impl Serialize for RemoteFieldsShape<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let RemoteFields(members) = self.0;
        let mut map = writer.serialize_map(Some(members.len()))?;
        for (name, value) in members {
            let value: &RawValue = serde_json::from_str(value.as_str()).map_err(serde::ser::Error::custom)?;
            map.serialize_entry(name.as_str(), value)?;
        }
        map.end()
    }
}

/// A postal address.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Address)]
pub(in crate::api) struct AddressShape<'a> {
    /// Free word, such as `billing`.
    #[schema(required = true)]
    address_type: Option<&'a str>,
    /// First line.
    #[schema(required = true)]
    street1: Option<&'a str>,
    /// Second line.
    #[schema(required = true)]
    street2: Option<&'a str>,
    /// City.
    #[schema(required = true)]
    city: Option<&'a str>,
    /// State.
    #[schema(required = true)]
    state: Option<&'a str>,
    /// Subdivision of the country.
    #[schema(required = true)]
    country_subdivision: Option<&'a str>,
    /// Country.
    #[schema(required = true)]
    country: Option<&'a str>,
    /// Postal code.
    #[schema(required = true)]
    postal_code: Option<&'a str>,
}

impl Show for Address {
    type Shape<'a> = AddressShape<'a>;

    fn show(&self) -> AddressShape<'_> {
        let Self { address_type, street1, street2, city, state, country_subdivision, country, postal_code } =
            self;
        AddressShape {
            address_type: address_type.as_deref(),
            street1: street1.as_deref(),
            street2: street2.as_deref(),
            city: city.as_deref(),
            state: state.as_deref(),
            country_subdivision: country_subdivision.as_deref(),
            country: country.as_deref(),
            postal_code: postal_code.as_deref(),
        }
    }
}

/// An e-mail address and its type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EmailAddress)]
pub(in crate::api) struct EmailAddressShape<'a> {
    /// Free word, such as `main`.
    #[schema(required = true)]
    email_address_type: Option<&'a str>,
    /// The address.
    email_address: &'a str,
}

impl Show for EmailAddress {
    type Shape<'a> = EmailAddressShape<'a>;

    fn show(&self) -> EmailAddressShape<'_> {
        let Self { address, kind } = self;
        EmailAddressShape { email_address_type: kind.as_deref(), email_address: address }
    }
}

/// A phone number and its type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumber)]
pub(in crate::api) struct PhoneNumberShape<'a> {
    /// Free word, such as `mobile`.
    #[schema(required = true)]
    phone_number_type: Option<&'a str>,
    /// The number.
    phone_number: &'a str,
}

impl Show for PhoneNumber {
    type Shape<'a> = PhoneNumberShape<'a>;

    fn show(&self) -> PhoneNumberShape<'_> {
        let Self { number, kind } = self;
        PhoneNumberShape { phone_number_type: kind.as_deref(), phone_number: number }
    }
}
