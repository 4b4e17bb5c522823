//! What we promise whichever the CRM: contacts, credentials, tenants, keys.

pub mod contacts;
pub mod credentials;
pub mod keys;
pub mod tenants;

pub use contacts::Contacts;
pub use credentials::Credentials;
pub use keys::Keys;
pub use tenants::Tenants;

/// Everything that the edge asks for.
pub struct Gateway {
    /// Contacts in the CRMs.
    pub contacts: Contacts,
    /// Links of tenants to CRM accounts.
    pub credentials: Credentials,
    /// API keys.
    pub keys: Keys,
    /// Tenants.
    pub tenants: Tenants,
}

/// Some items of a listing, and where it goes on.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next items; `None` at the end.
    pub next_cursor: Option<crate::domain::Text>,
}

/// Which part of a listing is asked for.
#[derive(Clone, Debug)]
pub struct ListingRequest {
    /// A cursor of the listing before; `None` for its beginning.
    pub cursor: Option<crate::domain::Text>,
    /// 1 to 100.
    pub page_size: u32,
}
