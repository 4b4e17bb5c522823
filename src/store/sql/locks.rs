//! Locks over all processes in the database; times are the database's own, from the view `clock`.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::idempotency::{held_lease, milliseconds};
use super::{Sql, SqlValue};
use crate::domain::Result;
use crate::store::HeldLease;

/// How many locks one statement takes. A write rarely needs more: one for each e-mail address, phone number and contact.
const TAKEN_TOGETHER: usize = 8;

/// The statements that take 1 to [`TAKEN_TOGETHER`] locks, unless one of them is held. One statement is one step of SQLite's writer
/// and one round trip to PostgreSQL.
static LOCK: LazyLock<[String; TAKEN_TOGETHER]> = LazyLock::new(|| {
    std::array::from_fn(|last| {
        let words: Vec<String> = (3..=last + 3).map(|word| format!("${word}")).collect();
        let (rows, list) = (words.join("), ("), words.join(", "));
        format!(
            "INSERT INTO write_locks (word, fence, lease_until) SELECT column1, $1, (SELECT now FROM clock) + $2 \
             FROM (VALUES ({rows})) AS wanted WHERE NOT EXISTS (SELECT 1 FROM write_locks WHERE word IN ({list})) \
             ON CONFLICT (word) DO NOTHING"
        )
    })
});

/// Locks over all processes on one database; clones share it.
#[derive(Clone)]
pub struct LockStore(pub(in crate::store) Arc<Sql>);

impl LockStore {
    /// Takes all of `words` for `fence`, or none of them. Returns whether it did.
    pub async fn lock(&self, words: &[String], fence: &str, lease: Duration) -> Result<bool> {
        // Sorted, so that two callers who want the same locks cannot deadlock.
        let words: BTreeSet<&str> = words.iter().map(String::as_str).collect();
        let words: Vec<SqlValue<'_>> = words.into_iter().map(SqlValue::from).collect();
        let mut taken = 0;
        for words in words.chunks(TAKEN_TOGETHER) {
            let values = [&[fence.into(), milliseconds(lease).into()], words].concat();
            taken += self.0.execute(&LOCK[words.len() - 1], &values).await?;
        }
        if taken == words.len() as u64 {
            return Ok(true);
        }
        // On PostgreSQL another caller may take one while the statement runs, and of many locks only some may be held.
        if taken > 0 {
            self.unlock(fence).await?;
        }
        Ok(false)
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
