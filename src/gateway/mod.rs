//! What we promise whichever the CRM: contacts, credentials, tenants, keys, the audit, writes that happen once.

pub mod audit;
pub mod contacts;
pub mod credentials;
pub mod keys;
mod listing;
mod names;
pub mod tenants;
pub mod writes;

pub use audit::Audit;
pub use contacts::Contacts;
pub use credentials::{Credentials, Rotation};
pub use keys::ApiKeys;
pub use listing::{Listing, ListingRequest};
pub use tenants::Tenants;
pub use writes::{Ledger, SharedLocks};

use crate::store::Database;
use crate::upstream::BytesInFlight;

pub struct Gateway {
    pub contacts: Contacts,
    pub credentials: Credentials,
    pub keys: ApiKeys,
    pub ledger: Ledger,
    pub tenants: Tenants,
    pub audit: Audit,
    /// Stored secrets and the master keys that open them.
    pub rotation: Rotation,
    pub database: Database,
    /// The bytes of CRMs' replies and of responses in memory.
    pub bytes: BytesInFlight,
}
