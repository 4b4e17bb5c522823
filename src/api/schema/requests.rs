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
    /// What the common model lacks, in the CRM's own spelling; at most 200 members.
    #[schema(value_type = Option<Object>)]
    remote_fields: Option<()>,
}

/// Changes to a contact: what is absent stays, `null` or blank clears, a list replaces the whole list. Members that
/// only the CRM sets may come along, as in a contact read before; they are ignored.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct ContactUpdate {
    /// Family name.
    #[schema(max_length = 1000)]
    last_name: Option<String>,
    /// Given name.
    #[schema(max_length = 1000)]
    first_name: Option<String>,
    /// Company the person belongs to.
    #[schema(max_length = 1000)]
    account: Option<String>,
    /// The whole list of postal addresses.
    #[schema(max_items = 20)]
    addresses: Option<Vec<AddressInput>>,
    /// The whole list of e-mail addresses.
    #[schema(max_items = 50)]
    email_addresses: Option<Vec<EmailAddressInput>>,
    /// The whole list of phone numbers.
    #[schema(max_items = 50)]
    phone_numbers: Option<Vec<PhoneNumberInput>>,
    /// What the common model lacks, in the CRM's own spelling; at most 200 members. `null` clears one member, absent
    /// ones stay.
    #[schema(value_type = Object, required = false)]
    remote_fields: (),
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

/// A credential to make.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct CredentialCreate {
    /// Which CRM.
    provider: String,
    /// A name, unique in the tenant.
    #[schema(max_length = 1000, min_length = 1)]
    name: String,
    /// The provider's settings.
    #[schema(value_type = Option<Object>)]
    settings: Option<()>,
    /// The provider's secret; it is sealed, and never shown again.
    #[schema(value_type = Object, write_only)]
    secret: (),
}

/// Changes to a credential: what is absent stays.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct CredentialUpdate {
    /// A name, unique in the tenant.
    #[schema(max_length = 1000, min_length = 1, nullable = false)]
    name: Option<String>,
    /// Settings, merged by member; `null` resets one.
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
    #[schema(max_length = 1000, min_length = 1)]
    name: String,
}

/// A key to make.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::api) struct KeyCreate {
    /// A name for people.
    #[schema(max_length = 1000, min_length = 1)]
    name: String,
    /// What it may do; writing does not imply reading.
    #[schema(min_items = 1)]
    scopes: Vec<ScopeWord>,
    /// The only credentials it may name; absent means all.
    #[schema(min_items = 1, max_items = 1000)]
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
