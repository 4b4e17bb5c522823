//! What we promise whichever the CRM: contacts, credentials, tenants, keys, the audit, writes that happen once.

pub mod audit;
pub mod contacts;
pub mod credentials;
pub mod idempotency;
pub mod keys;
mod listing;
mod names;
mod replicas;
pub mod tenants;

pub use audit::Audit;
pub use contacts::Contacts;
pub use credentials::{Credentials, Rotation};
pub use idempotency::Ledger;
pub use keys::Keys;
pub use listing::{Listing, ListingRequest};
pub use replicas::SharedLocks;
pub use tenants::Tenants;

/// Everything that the edge asks for.
pub struct Gateway {
    /// Contacts in the CRMs.
    pub contacts: Contacts,
    /// Links of tenants to CRM accounts.
    pub credentials: Credentials,
    /// API keys.
    pub keys: Keys,
    /// Writes under an `Idempotency-Key`.
    pub ledger: Ledger,
    /// Tenants.
    pub tenants: Tenants,
    /// Who did what.
    pub audit: Audit,
    /// Stored secrets and the master keys that open them.
    pub rotation: Rotation,
}
