//! The end of old records.

use std::time::Duration;

use tokio::time::sleep;

use super::Audit;
use crate::domain::{Result, Timestamp};

/// How many records are erased at once: a writer that waits behind them waits shortly.
const BATCH: u32 = 500;
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
}
