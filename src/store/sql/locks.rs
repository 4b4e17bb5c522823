//! Locks over all processes in the database; times are the database's own, from the view `clock`.

use std::sync::Arc;
use std::time::Duration;

use super::connections::Statement;
use super::idempotency::{held_lease, milliseconds};
use super::row::unavailable;
use super::{Sql, SqlValue};
use crate::domain::Result;
use crate::store::HeldLease;

const LOCK: &str = "INSERT INTO write_locks (word, fence, lease_until) \
     VALUES ($1, $2, (SELECT now FROM clock) + $3) ON CONFLICT (word) DO NOTHING";

/// Locks over all processes on one database; clones share it.
#[derive(Clone)]
pub struct LockStore(pub(in crate::store) Arc<Sql>);

impl LockStore {
    /// Takes all of `words` for `fence`, or none of them. Returns whether it did.
    pub async fn lock(&self, words: &[String], fence: &str, lease: Duration) -> Result<bool> {
        // Sorted, so that two callers who want the same locks cannot deadlock. Without duplicates, because a second insert
        // of the same lock would fail.
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.sort_unstable();
        words.dedup();
        let lists: Vec<Vec<SqlValue<'_>>> = words
            .into_iter()
            .map(|word| vec![word.into(), fence.into(), milliseconds(lease).into()])
            .collect();
        let statements: Vec<Statement<'_>> = lists.iter().map(|values| (LOCK, values.as_slice())).collect();
        Ok(self.0.together(&statements, true, unavailable).await?.is_none())
    }

    /// Renews the leases of the locks that `fence` holds. Returns how many it holds.
    pub async fn keep(&self, fence: &str, lease: Duration) -> Result<u64> {
        let sql = "UPDATE write_locks SET lease_until = (SELECT now FROM clock) + $2 WHERE fence = $1";
        self.0.execute(sql, &[fence.into(), milliseconds(lease).into()]).await
    }

    /// Releases all locks. Only for the one process on this database.
    pub async fn unlock_all(&self) -> Result<()> {
        self.0.execute("DELETE FROM write_locks", &[]).await.map(|_| ())
    }

    pub async fn unlock(&self, fence: &str) -> Result<()> {
        self.0.execute("DELETE FROM write_locks WHERE fence = $1", &[fence.into()]).await.map(|_| ())
    }

    /// At most `limit` held locks; those with the oldest renewal are first.
    pub async fn held(&self, limit: u32) -> Result<Vec<HeldLease>> {
        let sql = "SELECT '' AS tenant, word AS name, fence, lease_until FROM write_locks ORDER BY lease_until LIMIT $1";
        self.0.rows(sql, &[i64::from(limit).into()], held_lease).await
    }

    /// Removes a lock if it is still held exactly as `lease` says. Returns whether it was.
    pub async fn end_lease(&self, lease: &HeldLease) -> Result<bool> {
        let HeldLease { tenant: _, name, fence, until } = lease;
        let sql = "DELETE FROM write_locks WHERE word = $1 AND fence = $2 AND lease_until = $3";
        Ok(self.0.execute(sql, &[name.as_str().into(), fence.as_str().into(), (*until).into()]).await? > 0)
    }
}
