//! What this process has seen unchanged, and for how long by its own monotonic clock. Wall clocks and the clocks of databases
//! and other processes may jump, so they do not prove that time has passed.

use std::collections::HashMap;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::Instant;

use crate::clock;
use crate::domain::Text;
use crate::store::HeldLease;

/// How often leases are read during one lease time.
pub(super) const ROUNDS: u32 = 6;
/// The most lookups in memory; about 10 MB.
const MOST: u64 = 50_000;

/// The leases that this process sees, each with the time for which it was seen unchanged.
#[derive(Default)]
pub(super) struct SeenLeases {
    unchanged: HashMap<HeldLease, Duration>,
    answered: Option<Instant>,
}

impl SeenLeases {
    /// Adds `held`, which was requested at `requested_at`. Returns the leases that were seen unchanged for a whole `lease`: their
    /// holders are gone.
    ///
    /// Between two rounds, at most twice the pause between them counts. If this process was stopped for longer, holders
    /// may have been stopped too, and get time to renew.
    pub(super) fn see(
        &mut self,
        held: Vec<HeldLease>,
        requested_at: Instant,
        lease: Duration,
    ) -> Vec<HeldLease> {
        let since = self.answered.replace(clock::monotonic());
        let passed = since.map_or(Duration::ZERO, |since| requested_at.saturating_duration_since(since));
        let passed = passed.min(lease / ROUNDS * 2);
        let unchanged =
            |lease: &HeldLease| self.unchanged.get(lease).map_or(Duration::ZERO, |time| *time + passed);
        self.unchanged = held.into_iter().map(|lease| (lease.clone(), unchanged(&lease))).collect();
        let gone = self.unchanged.iter().filter(|(_, time)| **time >= lease);
        gone.map(|(lease, _)| lease.clone()).collect()
    }
}

/// When this process first saw each lookup that found nobody. Beyond [`MOST`], the least recently used ones are evicted.
pub(super) struct SeenLookups(Cache<Text, Instant>);

impl Default for SeenLookups {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).eviction_policy(EvictionPolicy::lru()).build())
    }
}

impl SeenLookups {
    /// Since when this process knows `lookup`: now, if the lookup is new or was evicted.
    pub(super) fn since(&self, lookup: &Text) -> Instant {
        self.0.get_with_by_ref(lookup, clock::monotonic)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LEASE: Duration = Duration::from_secs(30);
    const PAUSE: Duration = Duration::from_secs(5);

    fn held(until: i64) -> HeldLease {
        HeldLease { tenant: "t".into(), name: "k".into(), fence: "f".into(), until }
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_is_gone_after_a_whole_lease_without_renewal_and_not_before() {
        let mut seen = SeenLeases::default();
        for round in 0..6 {
            assert_eq!(seen.see(vec![held(1), held(round)], clock::monotonic(), LEASE), [], "round {round}");
            advance(PAUSE).await;
        }
        assert_eq!(seen.see(vec![held(1), held(6)], clock::monotonic(), LEASE), [held(1)]);
        assert_eq!(seen.see(vec![held(2)], clock::monotonic(), LEASE), [], "renewed, it is as new");
        assert_eq!(seen.unchanged.len(), 1, "what is gone is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_this_process_stood_still_proves_nothing() {
        let mut seen = SeenLeases::default();
        seen.see(vec![held(1)], clock::monotonic(), LEASE);
        advance(Duration::from_hours(1)).await;
        assert_eq!(seen.see(vec![held(1)], clock::monotonic(), LEASE), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_is_remembered_among_many_and_memory_is_bounded() {
        let seen = SeenLookups::default();
        let first = seen.since(&"first".into());
        advance(PAUSE).await;
        for number in 0..3 * MOST {
            if number % (MOST / 2) == 0 {
                assert_eq!(seen.since(&"first".into()), first, "it is in use");
            }
            seen.since(&number.to_string().into());
        }
        seen.0.run_pending_tasks();
        assert!(seen.0.entry_count() <= MOST);
    }
}
