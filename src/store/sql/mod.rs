//! Every statement of the store, written once for both databases.
//!
//! SQLite and PostgreSQL accept the same statements here: `$1` placeholders, text ids, times as integers. So [`Sql`]
//! implements the stores once. Only it knows the kind of database, the time limits, and the meaning of errors. sqlx's
//! `Any` driver does not fit: it takes settings (durability, TLS) only from the URL and has no time limits. Opening
//! and migration differ and are in `sqlite/` and `postgres/`.

mod audit;
mod connections;
mod credentials;
mod idempotency;
mod keys;
mod locks;
mod overview;
mod row;
mod sealed;
mod tenants;
mod totals;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::connections::{SqlValue, Statement};
use self::row::{Row, refused, unavailable};
use super::write_outcome::WriteOutcome;
use super::{postgres, sqlite};
use crate::config::Quotas;
use crate::domain::{Failure, FailureKind, Result, TenantId};
use crate::telemetry::series;

pub(super) use self::connections::SqlConnections;
pub use self::keys::KeyStore;
pub use self::locks::LockStore;
pub use self::overview::{CredentialOverview, OpenWrite, RowRange, TenantOverview};
pub use self::sealed::{SealedRecord, SealedStore};
pub use self::tenants::TenantStore;
pub use self::totals::Totals;

pub(super) struct Sql {
    connections: SqlConnections,
    quotas: Quotas,
    /// Whether the disk was full at the last write.
    full: AtomicBool,
}

impl Sql {
    pub(super) fn new(connections: SqlConnections, quotas: Quotas) -> Self {
        Self { connections, quotas, full: AtomicBool::new(false) }
    }

    #[cfg(test)]
    pub(super) const fn connections(&self) -> &SqlConnections {
        &self.connections
    }

    /// Runs a statement that writes. Returns how many rows it touched.
    async fn execute(&self, sql: &'static str, values: &[SqlValue<'_>]) -> Result<u64> {
        self.written(&[(sql, values)], false, unavailable).await.map(|done| done.touched)
    }

    /// Runs a statement that adds or changes a row with a name.
    async fn write(&self, sql: &'static str, values: &[SqlValue<'_>]) -> Result<u64> {
        self.written(&[(sql, values)], false, refused).await.map(|done| done.touched)
    }

    /// Runs a statement that writes and returns rows.
    async fn changed_row<T>(
        &self,
        sql: &'static str,
        values: &[SqlValue<'_>],
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut rows = self.written(&[(sql, values)], false, unavailable).await?.rows;
        rows.pop().map(|row| read(&row)).transpose()
    }

    /// Runs writing statements in one transaction. With `each_counts`, each must touch a row; otherwise nothing is changed,
    /// and the index of the first that did not is returned.
    async fn together(
        &self,
        statements: &[Statement<'_>],
        each_counts: bool,
        failure: fn(&sqlx::Error) -> Failure,
    ) -> Result<Option<usize>> {
        self.written(statements, each_counts, failure).await.map(|done| done.unmatched)
    }

    /// Adds a row with a name. Fails with `quota_exceeded` if the tenant would then have more than `most` rows of the kind.
    async fn add_within(
        &self,
        add: Statement<'_>,
        tenant: &TenantId,
        kind: usage::UsageKind,
        most: Option<u64>,
    ) -> Result<()> {
        let Some(most) = most else { return self.write(add.0, add.1).await.map(|_| ()) };
        let room = usage::room(tenant, kind, Some(most), None);
        if self.together(&[add, (usage::ROOM, &room)], true, refused).await?.is_none() {
            return Ok(());
        }
        let detail = format!(
            "The tenant has reached its limit of {most} {}. Delete some, or ask the operator to raise the limit.",
            kind.plural()
        );
        Err(Failure::new(FailureKind::QuotaExceeded, detail))
    }

    /// Writes. Fails if the database files were lost meanwhile, because the write is lost with them.
    async fn written(
        &self,
        statements: &[Statement<'_>],
        each_counts: bool,
        failure: fn(&sqlx::Error) -> Failure,
    ) -> Result<WriteOutcome<Row>> {
        let began = crate::clock::monotonic();
        let done = self.connections.write(statements, each_counts).await;
        series::database_statement(if statements.len() == 1 { "write" } else { "transaction" }, began);
        match &done {
            Ok(done) if done.touched > 0 => self.full.store(false, Ordering::Relaxed),
            Err(error) if sqlite::is_full(error) || postgres::is_full(error) => {
                self.full.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
        done.map_err(|error| if sqlite::is_lost(&error) { files_lost() } else { failure(&error) })
    }

    fn files_are_lost(&self) -> bool {
        matches!(&self.connections, SqlConnections::Sqlite(file) if file.watch.is_lost())
    }

    async fn row<T>(
        &self,
        sql: &'static str,
        values: &[SqlValue<'_>],
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.rows(sql, values, read).await?.pop())
    }

    async fn rows<T>(
        &self,
        sql: &'static str,
        values: &[SqlValue<'_>],
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let began = crate::clock::monotonic();
        let rows = self.connections.rows(sql, values).await;
        series::database_statement("read", began);
        rows.map_err(|error| unavailable(&error))?.iter().map(read).collect()
    }

    /// Removes a deleted secret from SQLite's write-ahead log too. If a reader blocks this, the next checkpoint does it.
    /// PostgreSQL removes the bytes when it vacuums.
    async fn destroy_traces(&self) {
        let SqlConnections::Sqlite(file) = &self.connections else { return };
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&file.pool).await {
            tracing::warn!(%error, "the write-ahead log could not be truncated after a removal");
        }
    }
}

/// The failure of everything that needs database files that were removed or replaced.
fn files_lost() -> Failure {
    let reason = "database file lost";
    series::database_error(reason);
    let detail = "The gateway's database file was removed or replaced, so nothing can be stored. Ask the operator to \
         restore it; the log names the file.";
    Failure::new(FailureKind::StoreUnavailable, detail).with_reason(reason)
}

/// The database as a whole; clones share it.
#[derive(Clone)]
pub struct Database(pub(in crate::store) Arc<Sql>);

impl Database {
    /// Succeeds if the database can be read, and is still the one that was opened. Fails with `store_unavailable`.
    pub async fn ready(&self) -> Result<()> {
        if self.0.files_are_lost() {
            return Err(files_lost());
        }
        self.schema().await.map(|_| ())
    }

    /// Whether the last write failed because the disk is full, or a limit on the size of files is reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.full.load(Ordering::Relaxed)
    }

    /// Writes a row and removes it. Fails with `store_unavailable`.
    pub async fn probe(&self) -> Result<()> {
        const ADD: &str = "INSERT INTO write_locks (word, fence, lease_until) VALUES ('probe', 'probe', 0) \
             ON CONFLICT (word) DO NOTHING";
        const REMOVE: &str = "DELETE FROM write_locks WHERE word = 'probe'";
        self.0.together(&[(ADD, &[]), (REMOVE, &[])], false, unavailable).await.map(|_| ())
    }

    /// How much all tenants have stored. Fails with `store_unavailable`.
    pub async fn totals(&self) -> Result<Totals> {
        self.0.totals().await
    }

    /// Returns free pages to the file system, in small steps. Fails with `store_unavailable`.
    pub async fn shrink(&self) -> Result<()> {
        match &self.0.connections {
            SqlConnections::Sqlite(file) => {
                sqlite::shrink(&file.pool).await.map_err(|error| unavailable(&error))
            }
            SqlConnections::Postgres(_) => Ok(()),
        }
    }

    pub async fn schema(&self) -> Result<i64> {
        let sql = match &self.0.connections {
            SqlConnections::Sqlite(_) => {
                "SELECT CAST(user_version AS INTEGER) AS version FROM pragma_user_version"
            }
            SqlConnections::Postgres(_) => "SELECT version FROM schema_use",
        };
        let version = self.0.row(sql, &[], |row| row.column("version")).await?;
        version.ok_or_else(|| Failure::internal("the database has no schema version"))
    }

    pub async fn close(&self) {
        match &self.0.connections {
            SqlConnections::Sqlite(file) => file.close().await,
            SqlConnections::Postgres(pool) => pool.pool.close().await,
        }
    }
}
