//! Rate limits of owners, such as keys: a token bucket for each, as the generic cell rate algorithm (GCRA) keeps it.
//!
//! A bucket is stored as the time at which it is full again. After that time it equals a new bucket, so it can be removed.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The maximum number of buckets. When all are in use, a new owner has no rate limit; the limit on requests in flight still
/// applies.
const MAX_BUCKETS: usize = 100_000;
/// The minimum time between two removals of full buckets.
const SWEEP: Duration = Duration::from_secs(1);

/// The buckets of all owners.
pub(super) struct TokenBuckets<K> {
    /// The time that earns one token.
    interval: Duration,
    /// The time that earns a full burst.
    burst_time: Duration,
    buckets: Mutex<Buckets<K>>,
}

struct Buckets<K> {
    full_at: HashMap<K, Instant>,
    swept: Option<Instant>,
}

impl<K: Hash + Eq> TokenBuckets<K> {
    /// Gives a token every `interval`, and a burst of `burst` after a pause.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        let buckets = Buckets { full_at: HashMap::new(), swept: None };
        Self { interval, burst_time: interval * burst.max(1), buckets: Mutex::new(buckets) }
    }

    /// Takes a token from the owner's bucket. Fails with the time until there is one.
    pub(super) fn take(&self, owner: K) -> Result<(), Duration> {
        let (mut buckets, now) = (self.buckets.lock(), crate::clock::monotonic());
        let full_at = self.next(&buckets, &owner, now)?;
        if buckets.full_at.contains_key(&owner) || buckets.has_room(now) {
            buckets.full_at.insert(owner, full_at);
        }
        Ok(())
    }

    /// Whether the owner's bucket has a token, which stays there. Fails with the time until there is one.
    pub(super) fn check(&self, owner: &K) -> Result<(), Duration> {
        self.next(&self.buckets.lock(), owner, crate::clock::monotonic()).map(drop)
    }

    /// When the bucket is full after a token is taken from it.
    fn next(&self, buckets: &Buckets<K>, owner: &K, now: Instant) -> Result<Instant, Duration> {
        let full_at = buckets.full_at.get(owner).map_or(now, |full_at| (*full_at).max(now)) + self.interval;
        let wait = full_at.duration_since(now).checked_sub(self.burst_time).filter(|wait| !wait.is_zero());
        wait.map_or(Ok(full_at), Err)
    }
}

impl<K: Hash + Eq> Buckets<K> {
    /// Whether there is room for one more bucket, after full ones are removed.
    fn has_room(&mut self, now: Instant) -> bool {
        let due = self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP);
        if self.full_at.len() >= MAX_BUCKETS && due {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.full_at.shrink_to(MAX_BUCKETS / 16);
            self.swept = Some(now);
        }
        self.full_at.len() < MAX_BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    fn rates(rate: u32, burst: u32) -> TokenBuckets<String> {
        TokenBuckets::new(Duration::from_secs(1) / rate, burst)
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_through_at_once_and_then_the_rate_holds() {
        let buckets = rates(4, 10);
        for _ in 0..10 {
            assert_eq!(buckets.take("one".into()), Ok(()));
        }
        assert_eq!(buckets.take("one".into()), Err(Duration::from_millis(250)));
        assert_eq!(buckets.take("other".into()), Ok(()), "a key pays for itself alone");
        assert_eq!(buckets.check(&"one".into()), Err(Duration::from_millis(250)));
        assert_eq!([buckets.check(&"other".into()); 20], [Ok(()); 20], "a check takes nothing");
        advance(Duration::from_millis(249)).await;
        assert_eq!(buckets.take("one".into()), Err(Duration::from_millis(1)), "a refusal costs nothing");
        let mut taken = 0;
        for _ in 0..1000 {
            advance(Duration::from_millis(10)).await;
            taken += u32::from(buckets.take("one".into()).is_ok());
        }
        assert_eq!(taken, 40, "four a second for ten seconds");
        advance(Duration::from_mins(1)).await;
        let burst = (0..100).filter(|_| buckets.take("one".into()).is_ok()).count();
        assert_eq!(burst, 10, "a pause earns one burst and no more");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_and_full_buckets_are_forgotten() {
        let buckets = rates(1, 1);
        for n in 0..MAX_BUCKETS + 10 {
            buckets.take(format!("k{n}")).unwrap();
        }
        assert_eq!(buckets.buckets.lock().full_at.len(), MAX_BUCKETS);
        assert!(buckets.take("k0".into()).is_err(), "in use, and so not forgotten");
        advance(Duration::from_secs(2)).await;
        buckets.take("new".into()).unwrap();
        assert_eq!(buckets.buckets.lock().full_at.len(), 1);
    }
}
