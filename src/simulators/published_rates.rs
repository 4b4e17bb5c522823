//! The rate limit of an account, counted as Aptly does: by minute and by second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The rate limit of one account.
#[derive(Clone, Copy, Debug)]
pub struct PublishedRates {
    pub per_minute: usize,
    pub per_second: usize,
}

/// The calls of the last minute, for a [`PublishedRates`].
#[derive(Debug, Default)]
pub(crate) struct Quota {
    recent: Mutex<VecDeque<Instant>>,
}

impl Quota {
    /// Counts one call, or returns how long to wait. Refused calls do not count.
    pub(super) fn admit(&self, pace: PublishedRates) -> Result<(), Duration> {
        let now = super::clock::monotonic();
        let mut recent = self.recent.lock();
        while recent.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_mins(1)) {
            recent.pop_front();
        }
        for (allowed, window) in
            [(pace.per_minute, Duration::from_mins(1)), (pace.per_second, Duration::from_secs(1))]
        {
            let oldest_that_counts = recent.len().checked_sub(allowed).and_then(|index| recent.get(index));
            if let Some(age) =
                oldest_that_counts.map(|at| now.duration_since(*at)).filter(|age| *age < window)
            {
                return Err(window.saturating_sub(age));
            }
        }
        recent.push_back(now);
        Ok(())
    }
}
