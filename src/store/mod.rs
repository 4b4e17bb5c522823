//! What is remembered: tenants, API keys and credentials, behind traits that no database shows through.
//!
//! A credential is loaded by tenant and id in one query; there is no other way to load one. Failures are
//! `store_unavailable` (the reason goes to the log), `name_taken`, or `tenant_not_found` where a row names a tenant
//! that is gone.

mod location;
mod recent;
mod records;
mod sqlite;

use std::sync::Arc;

pub use location::{Location, OpenError};
pub use recent::Recent;
pub use records::{
    After, CheckRecord, CredentialRecord, CredentialStore, Database, KeyRecord, KeyStore, TenantRecord,
    TenantStore, now,
};

/// An open database, by what is remembered in it.
#[derive(Clone)]
pub struct Store {
    /// Tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// API keys.
    pub keys: Arc<dyn KeyStore>,
    /// Credentials.
    pub credentials: Arc<dyn CredentialStore>,
    /// The database itself.
    pub database: Arc<dyn Database>,
}

impl Store {
    /// Opens the database at `location`, makes it where it is missing, and brings its schema up to date; processes
    /// that start together wait for each other. Fails with a sentence that says what to mend.
    pub async fn open(location: &Location) -> Result<Self, OpenError> {
        match location {
            Location::Sqlite(path) => {
                let database = Arc::new(sqlite::open(path).await?);
                Ok(Self {
                    tenants: database.clone(),
                    keys: database.clone(),
                    credentials: database.clone(),
                    database,
                })
            }
        }
    }
}
