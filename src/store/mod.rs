//! The database: tenants, API keys, credentials, the audit, and writes under an `Idempotency-Key`. Callers do not see which
//! database it is.
//!
//! A credential is only loaded by tenant and id, in one query. Failures are `store_unavailable` (the reason is logged),
//! `name_taken`, or `tenant_not_found` if a row names a tenant that is gone.

mod audit;
mod idempotency;
mod inspection;
mod location;
mod postgres;
mod records;
mod schema;
mod sql;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;
mod ttl_cache;
mod write_outcome;

use std::path::Path;
use std::sync::Arc;

pub use self::sql::{
    CredentialOverview, Database, KeyStore, LockStore, OpenWrite, RowRange, SealedRecord, SealedStore,
    TenantOverview, TenantStore, Totals,
};
use self::sql::{Sql, SqlConnections};
use crate::config::Quotas;
use crate::domain::{Failure, FailureKind};

pub use audit::{AuditQuery, AuditRecord, AuditStore};
pub use idempotency::{Advance, HeldLease, IdempotencyRecord, IdempotencyStore, Reservation, Stage};
pub use inspection::InspectedDatabase;
pub use location::{Location, OpenError};
pub use postgres::PostgresUrl;
pub use records::{
    After, CheckRecord, CredentialRecord, CredentialStore, KeyRecord, TenantRecord, Usage, now,
};
pub use sqlite::{InstanceLock, InstancePresence};
pub use ttl_cache::TtlCache;

/// The reason in logs and metrics of a failure whose cause is not known more exactly.
const DATABASE_UNAVAILABLE: &str = "database unavailable";

/// The failure if the database did not respond within the gateway's own time limit.
pub fn timed_out(detail: &'static str) -> Failure {
    Failure::new(FailureKind::StoreUnavailable, detail).with_reason(DATABASE_UNAVAILABLE)
}

/// An open database.
#[derive(Clone)]
pub struct Store {
    pub tenants: TenantStore,
    pub keys: KeyStore,
    pub credentials: Arc<dyn CredentialStore>,
    /// The sealed secrets of all tenants.
    pub sealed: SealedStore,
    pub audit: Arc<dyn AuditStore>,
    pub idempotency: Arc<dyn IdempotencyStore>,
    /// Locks over all processes on this database.
    pub locks: LockStore,
    pub database: Database,
    file: Option<Arc<Path>>,
}

impl Store {
    /// Opens the database at `location` with the default quotas.
    pub async fn open(location: &Location) -> Result<Self, OpenError> {
        Self::open_with(location, Quotas::default()).await
    }

    /// Opens the database at `location`, creates it if it is missing, and updates its schema. Processes that start
    /// together wait for each other. `quotas` limits what each tenant may store.
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

    /// Copies the database at `location` to the new file `to` while processes use it. Fails with a sentence that says what to fix.
    pub async fn backup(location: &Location, to: &Path) -> Result<(), OpenError> {
        match location {
            Location::Sqlite(path) => sqlite::backup(path, to).await,
            Location::Postgres(_) => Err(OpenError::new(
                "the database is PostgreSQL; back it up with its own tools, such as pg_dump",
            )),
        }
    }

    /// Registers this process as a server of the database. On SQLite this shows whether it is the only one. On PostgreSQL it
    /// returns `None`, because other machines may serve too; there, only unrenewed leases show ended processes.
    /// Fails with a sentence that says what to fix.
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
