//! The end of old records.

use std::time::Duration;

use tokio::time::sleep;

use super::Audit;
use crate::domain::{Result, Timestamp};

/// How many records are erased at once: a writer that waits behind them waits shortly.
const BATCH: u32 = 500;
/// How many records of one tenant are erased in one round: more than a tenant can add in a minute.
const EXCESS_MOST: u32 = 50_000;
/// Between two batches others get to write.
const PAUSE: Duration = Duration::from_millis(50);

impl Audit {
    /// Erases what happened before `moment`, in small steps; how many records that were.
    pub async fn erase_before(&self, moment: Timestamp) -> Result<u64> {
        let mut erased = 0;
        loop {
            let now = self.store.erase_before(moment, BATCH).await?;
            erased += now;
            if now < u64::from(BATCH) {
                return Ok(erased);
            }
            sleep(PAUSE).await;
        }
    }

    /// Erases the oldest records of each tenant that has more than it may, in small steps, so many at most that one tenant
    /// does not hold up the others for long. Warns of each: these records end before their age.
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
                "a tenant has more audit records than it may; its oldest were erased before their time"
            );
        }
        Ok(())
    }
}
