//! A contact in an answer: every key always present.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::warning::WarningShape;
use super::{Each, Moment, Show};
use crate::domain::{Address, Contact, EmailAddress, PhoneNumber, RemoteFields, Warning};
use crate::gateway::contacts::{Shown, UpsertOutcome};

/// One contact and what the caller should know about it.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactAnswer)]
pub(in crate::api) struct ContactAnswer<'a> {
    contact: ContactShape<'a>,
    /// What the caller should know although the call succeeded.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

impl<'a> ContactAnswer<'a> {
    /// The answer that shows `shown`.
    pub(in crate::api) fn of(shown: &'a Shown) -> Self {
        let Shown { id, contact, warnings, outcome: _ } = shown;
        Self { contact: ContactShape::of(id, contact), warnings: Each(warnings) }
    }
}

/// One contact, and whether it was created or changed.
#[derive(Serialize, ToSchema)]
#[schema(as = UpsertAnswer)]
pub(in crate::api) struct UpsertAnswer<'a> {
    contact: ContactShape<'a>,
    /// `created` or `updated`.
    #[schema(examples("created", "updated"))]
    outcome: &'static str,
    /// What the caller should know although the call succeeded.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

impl<'a> UpsertAnswer<'a> {
    /// The answer that shows `shown`.
    pub(in crate::api) fn of(shown: &'a Shown) -> Self {
        let Shown { id, contact, warnings, outcome } = shown;
        let outcome = match outcome {
            Some(UpsertOutcome::Created) => "created",
            Some(UpsertOutcome::Updated) | None => "updated",
        };
        Self { contact: ContactShape::of(id, contact), outcome, warnings: Each(warnings) }
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

/// One person, whichever the CRM.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Contact)]
pub(in crate::api) struct ContactShape<'a> {
    /// The gateway's id, stable while the credential lives.
    id: &'a str,
    /// The CRM's own id.
    remote_id: &'a str,
    /// Given name.
    #[schema(required = true)]
    first_name: Option<&'a str>,
    /// Family name.
    #[schema(required = true)]
    last_name: Option<&'a str>,
    /// Company the person belongs to.
    #[schema(required = true)]
    account: Option<&'a str>,
    /// Postal addresses.
    #[schema(value_type = Vec<AddressShape>)]
    addresses: Each<'a, Address>,
    /// E-mail addresses, the main one first.
    #[schema(value_type = Vec<EmailAddressShape>)]
    email_addresses: Each<'a, EmailAddress>,
    /// Phone numbers in the CRM's order.
    #[schema(value_type = Vec<PhoneNumberShape>)]
    phone_numbers: Each<'a, PhoneNumber>,
    /// What the CRM holds and the common model lacks, in the CRM's own spelling.
    #[schema(value_type = Object)]
    remote_fields: RemoteFieldsShape<'a>,
    /// Last activity with the person, where the CRM tells.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_activity_at: Option<Moment>,
    /// When the CRM made the record.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    remote_created_at: Option<Moment>,
    /// When the CRM last changed the record.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    remote_updated_at: Option<Moment>,
    /// Whether the CRM says that the record was removed.
    remote_deleted: bool,
    /// The same as `remoteCreatedAt`: the gateway keeps no record of its own.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    created_at: Option<Moment>,
    /// The same as `remoteUpdatedAt`.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    updated_at: Option<Moment>,
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
            // Told by warnings.
            incomplete: _,
        } = contact;
        Self {
            id,
            remote_id: remote_id.as_str(),
            first_name: first_name.as_deref(),
            last_name: last_name.as_deref(),
            account: account.as_deref(),
            addresses: Each(addresses),
            email_addresses: Each(email_addresses),
            phone_numbers: Each(phone_numbers),
            remote_fields: RemoteFieldsShape(remote_fields),
            last_activity_at: last_activity_at.map(Moment),
            remote_created_at: remote_created_at.map(Moment),
            remote_updated_at: remote_updated_at.map(Moment),
            remote_deleted: *remote_deleted,
            created_at: remote_created_at.map(Moment),
            updated_at: remote_updated_at.map(Moment),
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
