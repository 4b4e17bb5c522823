//! Every statement of the store, written once for both databases.
//!
//! SQLite and PostgreSQL take the same text here: `$1` placeholders, text ids, times as whole numbers. So the traits are
//! implemented once over [`Sql`], which binds three kinds of values and reads three kinds of columns, and is the one place
//! that knows which database it talks to, how long an answer may take and what an error means. sqlx's own `Any` driver
//! was passed over: it takes settings (durability, TLS) by URL alone and leaves the bound on time to every caller.
//! What differs in kind, opening and migrating, is in `sqlite/` and `postgres/`.

mod audit;
mod connections;
mod credentials;
mod idempotency;
mod keys;
mod locks;
mod row;
mod sealed;
mod tenants;

use async_trait::async_trait;

use self::connections::Value;
use self::row::{Row, refused, unavailable};
use super::Database;
use crate::domain::{Failure, Result};

pub(super) use self::connections::Connections;

/// An open database.
pub(super) struct Sql(pub(super) Connections);

impl Sql {
    /// Runs a statement; how many rows it touched.
    async fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        self.0.execute(sql, values).await.map_err(unavailable)
    }

    /// Runs a statement that adds or changes a row with a name.
    async fn write(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        self.0.execute(sql, values).await.map_err(refused)
    }

    /// Runs a statement once for each list of values: all of them, or none.
    async fn execute_all(&self, sql: &'static str, lists: &[Vec<Value<'_>>]) -> Result<()> {
        self.0.execute_all(sql, lists).await.map_err(unavailable)
    }

    /// The same where each run must touch a row: answers whether all did; else nothing is changed.
    async fn execute_where_each_counts(&self, sql: &'static str, lists: &[Vec<Value<'_>>]) -> Result<bool> {
        self.0.execute_where_each_counts(sql, lists).await.map_err(unavailable)
    }

    async fn row<T>(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.rows(sql, values, read).await?.pop())
    }

    async fn rows<T>(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.0.rows(sql, values).await.map_err(unavailable)?.iter().map(read).collect()
    }

    /// Writes the removal of a secret through to SQLite's file, so that no copy stays in the write-ahead log. Where a
    /// reader is in the way the next checkpoint does it. PostgreSQL removes the bytes when it vacuums.
    async fn destroy_traces(&self) {
        let Connections::Sqlite(pool) = &self.0 else { return };
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await {
            tracing::warn!(%error, "the write-ahead log could not be emptied after a removal");
        }
    }
}

#[async_trait]
impl Database for Sql {
    async fn ready(&self) -> Result<()> {
        self.schema().await.map(|_| ())
    }

    async fn schema(&self) -> Result<i64> {
        let sql = match &self.0 {
            Connections::Sqlite(_) => {
                "SELECT CAST(user_version AS INTEGER) AS version FROM pragma_user_version"
            }
            Connections::Postgres(_) => "SELECT version FROM schema_use",
        };
        let version = self.row(sql, &[], |row| row.column("version")).await?;
        version.ok_or_else(|| Failure::internal("the database does not tell its schema"))
    }

    async fn close(&self) {
        match &self.0 {
            Connections::Sqlite(pool) => pool.close().await,
            Connections::Postgres(pool) => pool.close().await,
        }
    }
}
