//! Locks over all processes in the database; times are the database's own, from the view `clock`.

use std::time::Duration;

use async_trait::async_trait;

use super::connections::Statement;
use super::idempotency::{held_lease, milliseconds};
use super::row::unavailable;
use super::{Sql, SqlValue};
use crate::domain::Result;
use crate::store::{HeldLease, LockStore};

const LOCK: &str = "INSERT INTO write_locks (word, fence, lease_until) \
     VALUES ($1, $2, (SELECT now FROM clock) + $3) ON CONFLICT (word) DO NOTHING";

#[async_trait]
impl LockStore for Sql {
    async fn lock(&self, words: &[String], fence: &str, lease: Duration) -> Result<bool> {
        // In one order, so that two who want the same words never wait for each other; each once, as the second time it
        // would stand in its own way.
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.sort_unstable();
        words.dedup();
        let lists: Vec<Vec<SqlValue<'_>>> = words
            .into_iter()
            .map(|word| vec![word.into(), fence.into(), milliseconds(lease).into()])
            .collect();
        let statements: Vec<Statement<'_>> = lists.iter().map(|values| (LOCK, values.as_slice())).collect();
        Ok(self.together(&statements, true, unavailable).await?.is_none())
    }

    async fn keep(&self, fence: &str, lease: Duration) -> Result<u64> {
        let sql = "UPDATE write_locks SET lease_until = (SELECT now FROM clock) + $2 WHERE fence = $1";
        self.execute(sql, &[fence.into(), milliseconds(lease).into()]).await
    }

    async fn unlock_all(&self) -> Result<()> {
        self.execute("DELETE FROM write_locks", &[]).await.map(|_| ())
    }

    async fn unlock(&self, fence: &str) -> Result<()> {
        self.execute("DELETE FROM write_locks WHERE fence = $1", &[fence.into()]).await.map(|_| ())
    }

    async fn held(&self, limit: u32) -> Result<Vec<HeldLease>> {
        let sql = "SELECT '' AS tenant, word AS name, fence, lease_until FROM write_locks ORDER BY lease_until LIMIT $1";
        self.rows(sql, &[i64::from(limit).into()], held_lease).await
    }

    async fn end_lease(&self, lease: &HeldLease) -> Result<bool> {
        let HeldLease { tenant: _, name, fence, until } = lease;
        let sql = "DELETE FROM write_locks WHERE word = $1 AND fence = $2 AND lease_until = $3";
        Ok(self.execute(sql, &[name.as_str().into(), fence.as_str().into(), (*until).into()]).await? > 0)
    }
}
