//! Removes old records.

use std::time::Duration;

use tokio::time::sleep;

use super::Audit;
use crate::domain::{Result, Timestamp};

/// The batch size: a waiting writer waits only briefly.
const BATCH: u32 = 500;
/// How many records of one tenant are erased in one round: more than a tenant can add in a minute.
const EXCESS_MOST: u32 = 50_000;
/// The pause between two batches, in which others can write.
const PAUSE: Duration = Duration::from_millis(50);

impl Audit {
    /// Erases records older than `time` in small batches. Returns their number.
    pub async fn erase_before(&self, time: Timestamp) -> Result<u64> {
        let mut erased = 0;
        loop {
            let now = self.store.erase_before(time, BATCH).await?;
            erased += now;
            if now < u64::from(BATCH) {
                return Ok(erased);
            }
            sleep(PAUSE).await;
        }
    }

    /// Erases the oldest records of each tenant that exceeds its quota, in small batches. One round is limited per tenant, so
    /// that one tenant does not delay the others. Logs a warning for each, because these records are erased before their age.
    /// Fails with `store_unavailable`.
    pub async fn erase_excess(&self) -> Result<()> {
        for (tenant, excess) in self.store.excessive().await? {
            let excess = u32::try_from(excess).unwrap_or(u32::MAX).min(EXCESS_MOST);
            let mut erased = 0;
            while erased < excess {
                let limit = BATCH.min(excess - erased);
                let now = u32::try_from(self.store.erase_oldest(&tenant, limit).await?).unwrap_or(u32::MAX);
                if now == 0 {
                    break;
                }
                erased = erased.saturating_add(now);
                sleep(PAUSE).await;
            }
            tracing::warn!(
                tenant = tenant.as_str(),
                records = erased,
                "a tenant exceeded its quota of audit records; its oldest records were erased early"
            );
        }
        Ok(())
    }
}
