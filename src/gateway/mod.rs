//! What the gateway does for all CRMs: contacts, credentials, tenants, keys, the audit, and idempotent writes.

pub mod audit;
pub mod contacts;
pub mod credentials;
pub mod keys;
mod listing;
mod names;
pub mod overview;
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
use crate::upstream::{BytesInFlight, Transport};

pub struct Gateway {
    pub contacts: Contacts,
    pub credentials: Credentials,
    pub keys: ApiKeys,
    pub ledger: Ledger,
    pub tenants: Tenants,
    pub audit: Audit,
    /// Stored secrets and the master keys that seal them.
    pub rotation: Rotation,
    pub database: Database,
    /// The memory limit for CRMs' replies and for responses.
    pub bytes: BytesInFlight,
    /// What is known of the CRMs' hosts and accounts.
    pub upstreams: Transport,
}
