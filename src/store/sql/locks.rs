//! Locks over all processes in the database; times are the database's own, from the view `clock`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Sql;
use super::idempotency::{held_lease, milliseconds};
use crate::domain::Result;
use crate::store::HeldLease;

/// Takes the words in `$1`, each padded to `$2` characters, `$3` of them, unless one of them is held. It is one statement, so that
/// it is one step of SQLite's writer and one round trip to PostgreSQL. The words are inserted in order, so that two callers who
/// want the same ones cannot deadlock: the first word that both want decides.
const LOCK: &str = "WITH RECURSIVE wanted(n, word) AS (\
     SELECT 1, rtrim(substr($1, 1, CAST($2 AS INTEGER))) UNION ALL \
     SELECT n + 1, rtrim(substr($1, n * CAST($2 AS INTEGER) + 1, CAST($2 AS INTEGER))) FROM wanted WHERE n < $3) \
     INSERT INTO write_locks (word, fence, lease_until) \
     SELECT word, $4, (SELECT now FROM clock) + $5 FROM wanted \
     WHERE NOT EXISTS (SELECT 1 FROM write_locks WHERE word IN (SELECT word FROM wanted)) \
     ORDER BY word ON CONFLICT (word) DO NOTHING";

/// Locks over all processes on one database; clones share it.
#[derive(Clone)]
pub struct LockStore(pub(in crate::store) Arc<Sql>);

impl LockStore {
    /// Takes all of `words` for `fence`, or none of them. Returns whether it did.
    pub async fn lock(&self, words: &[String], fence: &str, lease: Duration) -> Result<bool> {
        // Without duplicates, because a second insert of the same lock would fail.
        let words: BTreeSet<&str> = words.iter().map(String::as_str).collect();
        let width = words.iter().map(|word| word.len()).max().unwrap_or_default();
        let padded: String = words.iter().map(|word| format!("{word:width$}")).collect();
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let values = [
            padded.as_str().into(),
            number(width).into(),
            number(words.len()).into(),
            fence.into(),
            milliseconds(lease).into(),
        ];
        let taken = self.0.execute(LOCK, &values).await?;
        if taken == words.len() as u64 {
            return Ok(true);
        }
        // On PostgreSQL another caller may have taken one while the statement ran.
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
