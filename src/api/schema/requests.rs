//! The shapes of bodies, for the document alone: the readers in `read` decide, and a test holds both together.
#![expect(dead_code, reason = "documentation: bodies are read by hand, so that every fault is named")]

use utoipa::ToSchema;

/// A contact to create. Members that only the CRM sets may come along; they are ignored with a warning.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct ContactCreate {
    /// Family name; not blank.
    #[schema(max_length = 1000, min_length = 1)]
    last_name: String,
    /// Given name.
    #[schema(max_length = 1000)]
    first_name: Option<String>,
    /// Company the person belongs to.
    #[schema(max_length = 1000)]
    account: Option<String>,
    /// Postal addresses.
    #[schema(max_items = 20)]
    addresses: Option<Vec<AddressInput>>,
    /// E-mail addresses, the main one first.
    #[schema(max_items = 50)]
    email_addresses: Option<Vec<EmailAddressInput>>,
    /// Phone numbers.
    #[schema(max_items = 50)]
    phone_numbers: Option<Vec<PhoneNumberInput>>,
    /// What the common model lacks, in the CRM's own spelling; at most 200 fields. A field that is `null` is absent, and so are
    /// all of them where `remoteFields` is `null`.
    #[schema(value_type = Option<Object>)]
    remote_fields: Option<()>,
}

/// Changes to a contact: what is absent stays, `null` or blank clears, a list replaces the whole list. Fields that only
/// the CRM sets may come along, as in a contact read before; they are ignored.
///
/// The rules of a new contact (1000 characters a text, 50 e-mail addresses, 50 phone numbers, 20 postal addresses, well-formed
/// e-mail addresses, 200 `remoteFields`) apply to what differs from what the CRM holds; a contact that breaks one of them can
/// be sent back as it is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct ContactUpdate {
    /// Family name.
    last_name: Option<String>,
    /// Given name.
    first_name: Option<String>,
    /// Company the person belongs to.
    account: Option<String>,
    /// The whole list of postal addresses; 20 where one of them is new.
    #[schema(max_items = 1000)]
    addresses: Option<Vec<AddressUpdate>>,
    /// The whole list of e-mail addresses; 50 where one of them is new.
    #[schema(max_items = 1000)]
    email_addresses: Option<Vec<EmailAddressUpdate>>,
    /// The whole list of phone numbers; 50 where one of them is new.
    #[schema(max_items = 1000)]
    phone_numbers: Option<Vec<PhoneNumberUpdate>>,
    /// What the common model lacks, in the CRM's own spelling; at most 2,000 fields, of which 200 may differ from what is
    /// held. `null` clears one field, absent ones stay; `null` for all of them names none. In a body with the `id`, `remoteId`
    /// or `remoteUpdatedAt` of a contact that was read, fields that cannot be written are ignored, with one warning `read_only`
    /// where they differ; in other bodies they are 422.
    #[schema(value_type = Option<Object>)]
    remote_fields: Option<()>,
}

/// A contact that is changed where it is found, and created where it is not. Where it is found, `null`, a blank text or an
/// empty list clears, as in a change; where it is created, these are absent.
///
/// The rules of a new contact apply to what differs from what the CRM holds, as in a change.
#[derive(ToSchema)]
#[schema(as = ContactUpsert, rename_all = "camelCase")]
pub(in crate::api) struct ContactUpsertRequest {
    /// Family name; not blank.
    #[schema(min_length = 1)]
    last_name: String,
    /// Given name.
    first_name: Option<String>,
    /// Company the person belongs to.
    account: Option<String>,
    /// The whole list of postal addresses; 20 where one of them is new.
    #[schema(max_items = 1000)]
    addresses: Option<Vec<AddressUpdate>>,
    /// The whole list of e-mail addresses, the main one first; 50 where one of them is new.
    #[schema(max_items = 1000)]
    email_addresses: Option<Vec<EmailAddressUpdate>>,
    /// The whole list of phone numbers; 50 where one of them is new.
    #[schema(max_items = 1000)]
    phone_numbers: Option<Vec<PhoneNumberUpdate>>,
    /// What the common model lacks, in the CRM's own spelling; at most 2,000 fields, of which 200 may differ from what is
    /// held. `null` clears one field of a contact that is found; `null` for all of them names none.
    #[schema(value_type = Option<Object>)]
    remote_fields: Option<()>,
}

/// A postal address; one part at least.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct AddressInput {
    /// Free word, such as `billing`.
    #[schema(max_length = 1000)]
    address_type: Option<String>,
    /// First line.
    #[schema(max_length = 1000)]
    street1: Option<String>,
    /// Second line.
    #[schema(max_length = 1000)]
    street2: Option<String>,
    /// City.
    #[schema(max_length = 1000)]
    city: Option<String>,
    /// State.
    #[schema(max_length = 1000)]
    state: Option<String>,
    /// Subdivision of the country.
    #[schema(max_length = 1000)]
    country_subdivision: Option<String>,
    /// Country.
    #[schema(max_length = 1000)]
    country: Option<String>,
    /// Postal code.
    #[schema(max_length = 1000)]
    postal_code: Option<String>,
}

/// An e-mail address and its type.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct EmailAddressInput {
    /// Free word, such as `main`.
    #[schema(max_length = 1000)]
    email_address_type: Option<String>,
    /// The address.
    #[schema(format = "email", max_length = 254)]
    email_address: String,
}

/// A phone number and its type.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct PhoneNumberInput {
    /// Free word, such as `mobile`.
    #[schema(max_length = 1000)]
    phone_number_type: Option<String>,
    /// The number.
    #[schema(max_length = 1000, min_length = 1)]
    phone_number: String,
}

/// A postal address of a change; one part at least. A part that is new may be 1000 characters long.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct AddressUpdate {
    /// Free word, such as `billing`.
    address_type: Option<String>,
    /// First line.
    street1: Option<String>,
    /// Second line.
    street2: Option<String>,
    /// City.
    city: Option<String>,
    /// State.
    state: Option<String>,
    /// Subdivision of the country.
    country_subdivision: Option<String>,
    /// Country.
    country: Option<String>,
    /// Postal code.
    postal_code: Option<String>,
}

/// An e-mail address of a change, and its type.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct EmailAddressUpdate {
    /// Free word, such as `main`; without it the type that is held stays.
    email_address_type: Option<String>,
    /// The address. A new one is the address of a mailbox, at most 254 characters long.
    email_address: String,
}

/// A phone number of a change, and its type.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct PhoneNumberUpdate {
    /// Free word, such as `mobile`; without it the type that is held stays.
    phone_number_type: Option<String>,
    /// The number. A new one may be 1000 characters long.
    #[schema(min_length = 1)]
    phone_number: String,
}

/// A credential to make.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct CredentialCreate {
    /// Which CRM.
    provider: String,
    /// A name, unique in the tenant.
    #[schema(max_length = 100, min_length = 1)]
    name: String,
    /// The provider's settings; at most 64 KiB.
    #[schema(value_type = Option<Object>)]
    settings: Option<()>,
    /// The provider's secret, at most 16 KiB; it is sealed, and never shown again.
    #[schema(value_type = Object, write_only)]
    secret: (),
}

/// Changes to a credential: what is absent stays.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct CredentialUpdate {
    /// A name, unique in the tenant.
    #[schema(max_length = 100, min_length = 1, nullable = false)]
    name: Option<String>,
    /// Settings, merged by member; `null` resets one. Merged they hold at most 64 KiB.
    #[schema(value_type = Object, required = false)]
    settings: (),
    /// A new secret; required where `baseUrl` changes.
    #[schema(value_type = Object, required = false, write_only)]
    secret: (),
}

/// A tenant to make.
#[derive(ToSchema)]
pub(in crate::api) struct TenantCreate {
    /// A unique name.
    #[schema(max_length = 100, min_length = 1)]
    name: String,
}

/// A key to make.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct KeyCreate {
    /// A name for people.
    #[schema(max_length = 100, min_length = 1)]
    name: String,
    /// What it may do; writing does not imply reading.
    #[schema(min_items = 1)]
    scopes: Vec<ScopeWord>,
    /// The only credentials it may name; absent means all.
    #[schema(min_items = 1, max_items = 100)]
    credential_ids: Option<Vec<String>>,
    /// When it ends; absent means never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// One thing that a key may do.
#[derive(ToSchema)]
pub(in crate::api) enum ScopeWord {
    /// List, count and get contacts.
    #[schema(rename = "contacts:read")]
    ContactsRead,
    /// Create, change and remove contacts.
    #[schema(rename = "contacts:write")]
    ContactsWrite,
    /// List, get and check credentials.
    #[schema(rename = "credentials:read")]
    CredentialsRead,
    /// Create, change and remove credentials.
    #[schema(rename = "credentials:write")]
    CredentialsWrite,
}
