//! A contact in a response. A field that the CRM does not show is left out; a field that it shows empty is `null` or `[]`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::warning::WarningShape;
use super::{Each, Rfc3339, shape};
use crate::domain::{
    Address, Contact, EmailAddress, Field, PhoneNumber, RemoteFields, Text, Timestamp, Warning,
};
use crate::gateway::contacts::{ContactView, UpsertOutcome};
use crate::json::Raw;

/// A contact and its warnings.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactAnswer)]
pub(in crate::api) struct ContactResponse<'a> {
    #[schema(value_type = ContactShape)]
    contact: ContactJson<'a>,
    /// Warnings about the result.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

impl<'a> ContactResponse<'a> {
    /// The response with the complete contact `shown`.
    pub(in crate::api) fn of(shown: &'a ContactView) -> Self {
        Self::of_write(shown, Extent::Whole)
    }

    /// The response of a write, with the part of the contact that `extent` selects.
    pub(in crate::api) fn of_write(shown: &'a ContactView, extent: Extent) -> Self {
        Self { contact: ContactJson::of(shown, extent), warnings: Each(&shown.warnings) }
    }
}

/// A contact, and whether it was created or updated.
#[derive(Serialize, ToSchema)]
#[schema(as = UpsertAnswer)]
pub(in crate::api) struct UpsertResponse<'a> {
    #[schema(value_type = ContactShape)]
    contact: ContactJson<'a>,
    #[schema(schema_with = outcome)]
    outcome: &'static str,
    /// Warnings about the result.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

/// No other word is added later.
fn outcome() -> Object {
    let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["created", "updated"]));
    words.description(Some("Whether the contact was created or updated.")).build()
}

impl<'a> UpsertResponse<'a> {
    /// The response of a write, with the part of the contact that `extent` selects.
    pub(in crate::api) fn of_write(shown: &'a ContactView, extent: Extent) -> Self {
        let outcome = match shown.outcome {
            Some(UpsertOutcome::Created) => "created",
            Some(UpsertOutcome::Updated) | None => "updated",
        };
        Self { contact: ContactJson::of(shown, extent), outcome, warnings: Each(&shown.warnings) }
    }
}

/// The number of matching contacts.
#[derive(Serialize, ToSchema)]
#[schema(as = CountAnswer)]
pub(in crate::api) struct CountResponse {
    /// The number of contacts.
    pub(in crate::api) count: u64,
}

/// The result of a delete.
#[derive(Serialize, ToSchema)]
#[schema(as = DeleteAnswer)]
pub(in crate::api) struct DeleteResponse {
    /// Always `true`.
    pub(in crate::api) success: bool,
}

/// How much of a contact the response of a write shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Extent {
    /// Every field.
    Whole,
    /// Only the fields that the schema requires.
    IdsOnly,
}

/// A contact in a response.
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

/// A contact that is too large for the response of a write. It has only the fields that the schema requires.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContactIds<'a> {
    id: &'a str,
    remote_id: &'a str,
    remote_fields: RemoteFieldsShape<'a>,
    remote_deleted: bool,
}

/// A contact, in the same format for every CRM. A field that the CRM does not show is left out, and the warning `incomplete`
/// names it. `null` or `[]` means that the CRM shows the field empty or does not have it. The response of a write is limited to
/// 64 KiB. A larger one is shortened: `remoteFields` is emptied, or only the required fields remain. The warning `incomplete`
/// says so; read the contact by its id.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Contact)]
pub(in crate::api) struct ContactShape<'a> {
    /// The gateway's id. It is stable until the credential is deleted.
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
    /// The company of the person.
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
    /// Fields of the CRM that the common model lacks, by their names in the CRM. Empty, with the warning `incomplete`, if there
    /// are more than 5,000, or if the response is shortened.
    #[schema(value_type = Object)]
    remote_fields: RemoteFieldsShape<'a>,
    /// The last activity with the contact, if the CRM shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    last_activity_at: Option<Option<Rfc3339>>,
    /// When the record was created in the CRM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    remote_created_at: Option<Option<Rfc3339>>,
    /// When the record was last changed in the CRM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    remote_updated_at: Option<Option<Rfc3339>>,
    /// Whether the CRM shows the record as deleted.
    remote_deleted: bool,
    /// The same as `remoteCreatedAt`, because the gateway does not store contacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    created_at: Option<Option<Rfc3339>>,
    /// The same as `remoteUpdatedAt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    updated_at: Option<Option<Rfc3339>>,
}

impl<'a> ContactShape<'a> {
    /// The shape of `contact` with the gateway's `id`.
    pub(in crate::api) fn of(id: &'a str, contact: &'a Contact) -> Self {
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
            // Shown as warnings.
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

/// Fields of the CRM, with values exactly as the CRM wrote them.
struct RemoteFieldsShape<'a>(&'a RemoteFields);

impl Serialize for RemoteFieldsShape<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let RemoteFields(members) = self.0;
        let mut map = writer.serialize_map(Some(members.len()))?;
        for (name, value) in members {
            map.serialize_entry(name.as_str(), &Raw::from_checked(value.as_str()))?;
        }
        map.end()
    }
}

shape! {
    /// A postal address.
    #[schema(as = Address)]
    pub(in crate::api) struct AddressShape<'a> of Address {
        address_type, street1, street2, city, state, country_subdivision, country, postal_code
    } => {
        /// The type, such as `billing`.
        #[schema(required = true)]
        address_type: Option<&'a str> = address_type.as_deref(),
        /// First line.
        #[schema(required = true)]
        street1: Option<&'a str> = street1.as_deref(),
        /// Second line.
        #[schema(required = true)]
        street2: Option<&'a str> = street2.as_deref(),
        /// City.
        #[schema(required = true)]
        city: Option<&'a str> = city.as_deref(),
        /// State.
        #[schema(required = true)]
        state: Option<&'a str> = state.as_deref(),
        /// Subdivision of the country.
        #[schema(required = true)]
        country_subdivision: Option<&'a str> = country_subdivision.as_deref(),
        /// Country.
        #[schema(required = true)]
        country: Option<&'a str> = country.as_deref(),
        /// Postal code.
        #[schema(required = true)]
        postal_code: Option<&'a str> = postal_code.as_deref(),
    }
}

shape! {
    /// An e-mail address and its type.
    #[schema(as = EmailAddress)]
    pub(in crate::api) struct EmailAddressShape<'a> of EmailAddress { address, kind } => {
        /// The type, such as `main`.
        #[schema(required = true)]
        email_address_type: Option<&'a str> = kind.as_deref(),
        /// The address.
        email_address: &'a str = address,
    }
}

shape! {
    /// A phone number and its type.
    #[schema(as = PhoneNumber)]
    pub(in crate::api) struct PhoneNumberShape<'a> of PhoneNumber { number, kind } => {
        /// The type, such as `mobile`.
        #[schema(required = true)]
        phone_number_type: Option<&'a str> = kind.as_deref(),
        /// The number.
        phone_number: &'a str = number,
    }
}
