//! The store in one SQLite file.

mod credentials;
mod keys;
mod migrate;
mod open;
mod row;
mod tenants;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::Database;
use crate::domain::Result;

pub(super) use open::open;

/// An open SQLite file.
pub(super) struct Sqlite(SqlitePool);

impl Sqlite {
    /// Writes the removal of a secret through to the file, so that no copy stays in the write-ahead log. Where a
    /// reader is in the way the next checkpoint does it.
    async fn destroy_traces(&self) {
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.0).await {
            tracing::warn!(%error, "the write-ahead log could not be emptied after a removal");
        }
    }
}

#[async_trait]
impl Database for Sqlite {
    async fn ready(&self) -> Result<()> {
        self.schema().await.map(|_| ())
    }

    async fn schema(&self) -> Result<i64> {
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&self.0).await.map_err(row::unavailable)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
