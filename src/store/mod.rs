//! What is remembered: tenants, API keys, credentials, the audit, and writes under an `Idempotency-Key`, behind traits that
//! no database shows through.
//!
//! A credential is loaded by tenant and id in one query; there is no other way to load one. Failures are
//! `store_unavailable` (the reason goes to the log), `name_taken`, or `tenant_not_found` where a row names a tenant
//! that is gone.

mod audit;
mod idempotency;
mod location;
mod postgres;
mod records;
mod schema;
mod sql;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;
mod ttl_cache;

use std::path::Path;
use std::sync::Arc;

pub use self::sql::{Database, KeyStore, LockStore, SealedRecord, SealedStore, TenantStore};
use self::sql::{Sql, SqlConnections};
use crate::config::Quotas;

pub use audit::{AuditQuery, AuditRecord, AuditStore};
pub use idempotency::{Advance, HeldLease, IdempotencyRecord, IdempotencyStore, Reserved, Stage};
pub use location::{Location, OpenError};
pub use postgres::PostgresUrl;
pub use records::{
    After, CheckRecord, CredentialRecord, CredentialStore, KeyRecord, TenantRecord, Usage, now,
};
pub use sqlite::{InstanceLock, InstancePresence};
pub use ttl_cache::TtlCache;

/// An open database, by what is remembered in it.
#[derive(Clone)]
pub struct Store {
    pub tenants: TenantStore,
    pub keys: KeyStore,
    pub credentials: Arc<dyn CredentialStore>,
    /// Their sealed secrets, over all tenants.
    pub sealed: SealedStore,
    pub audit: Arc<dyn AuditStore>,
    pub idempotency: Arc<dyn IdempotencyStore>,
    /// Locks over all processes on this database.
    pub locks: LockStore,
    pub database: Database,
    file: Option<Arc<Path>>,
}

impl Store {
    /// Opens the database at `location` with the usual quotas.
    pub async fn open(location: &Location) -> Result<Self, OpenError> {
        Self::open_with(location, Quotas::default()).await
    }

    /// Opens the database at `location`, makes it where it is missing, and brings its schema up to date; processes
    /// that start together wait for each other. Each tenant may store as much as `quotas` says.
    /// Fails with a sentence that says what to fix.
    pub async fn open_with(location: &Location, quotas: Quotas) -> Result<Self, OpenError> {
        let connections = match location {
            Location::Sqlite(path) => SqlConnections::Sqlite(sqlite::open(path).await?),
            Location::Postgres(url) => SqlConnections::Postgres(postgres::open(url).await?),
        };
        let file = match location {
            Location::Sqlite(path) => Some(Arc::from(path.as_path())),
            Location::Postgres(_) => None,
        };
        Ok(Self { file, ..Self::of(Arc::new(Sql::new(connections, quotas))) })
    }

    /// Comes in to serve, where processes can tell whether they are alone: on SQLite; on PostgreSQL, where any machine may
    /// serve beside, only leases seen unrenewed show who is gone. Fails with a sentence.
    pub async fn enter(&self) -> Result<Option<InstanceLock>, OpenError> {
        match &self.file {
            Some(path) => sqlite::enter(path).await.map(Some),
            None => Ok(None),
        }
    }

    fn of(database: Arc<Sql>) -> Self {
        Self {
            idempotency: database.clone(),
            locks: LockStore(database.clone()),
            tenants: TenantStore(database.clone()),
            keys: KeyStore(database.clone()),
            credentials: database.clone(),
            sealed: SealedStore(database.clone()),
            audit: database.clone(),
            database: Database(database),
            file: None,
        }
    }
}
