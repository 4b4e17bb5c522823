//! Locks over all processes in the database; time is the database's own, from the view `clock`.

use std::time::Duration;

use async_trait::async_trait;

use super::idempotency::milliseconds;
use super::{Sql, Value};
use crate::domain::Result;
use crate::store::LockStore;

const LOCK: &str = "INSERT INTO write_locks (word, fence, lease_until) \
     VALUES ($1, $2, (SELECT now FROM clock) + $3) ON CONFLICT (word) DO UPDATE \
     SET fence = excluded.fence, lease_until = excluded.lease_until \
     WHERE write_locks.lease_until <= (SELECT now FROM clock)";

#[async_trait]
impl LockStore for Sql {
    async fn lock(&self, words: &[String], fence: &str, lease: Duration) -> Result<bool> {
        // In one order, so that two who want the same words never wait for each other; each once, as the second time it
        // would stand in its own way.
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.sort_unstable();
        words.dedup();
        let lists: Vec<Vec<Value<'_>>> = words
            .into_iter()
            .map(|word| vec![word.into(), fence.into(), milliseconds(lease).into()])
            .collect();
        self.execute_where_each_counts(LOCK, &lists).await
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

    async fn erase_ended(&self, limit: u32) -> Result<u64> {
        let sql = "DELETE FROM write_locks WHERE lease_until <= (SELECT now FROM clock) AND word IN \
             (SELECT word FROM write_locks WHERE lease_until <= (SELECT now FROM clock) ORDER BY word LIMIT $1)";
        self.execute(sql, &[i64::from(limit).into()]).await
    }
}
