//! A rate limit for each key or token subject: a token bucket, as the generic cell rate algorithm (GCRA) keeps it.
//!
//! A bucket is stored as the time at which it is full again. After that time it equals a new bucket, so it can be removed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{Caller, Principal, TenantId};

/// The maximum number of buckets. When all are in use, a new caller is admitted without a rate limit; the limit on requests
/// in flight still applies.
const MOST: usize = 100_000;
/// The minimum time between two removals of full buckets.
const SWEEP: Duration = Duration::from_secs(1);

/// Subjects are separate for each tenant. Tokens without a subject share one bucket per tenant.
type RateOwner = (TenantId, Principal);

/// The buckets of all callers.
pub(super) struct KeyRateLimiter {
    /// The time that earns one request.
    each: Duration,
    /// The time that earns a full burst.
    whole: Duration,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    full_at: HashMap<RateOwner, Instant>,
    swept: Option<Instant>,
}

impl KeyRateLimiter {
    /// Allows `rate` requests a second, and a burst of `burst` after a pause.
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        let each = Duration::from_secs(1) / rate.max(1);
        Self { each, whole: each * burst.max(1), buckets: Mutex::default() }
    }

    /// Takes one request from the caller's bucket. Fails with the time until one is available.
    pub(super) fn take(&self, caller: &Caller) -> Result<(), Duration> {
        let owner = (caller.tenant.clone(), caller.principal.clone());
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).take(
            self,
            owner,
            crate::clock::monotonic(),
        )
    }
}

impl Buckets {
    fn take(&mut self, rates: &KeyRateLimiter, owner: RateOwner, now: Instant) -> Result<(), Duration> {
        let known = self.full_at.get(&owner).copied();
        let full_at = known.map_or(now, |full_at| full_at.max(now)) + rates.each;
        if let Some(wait) =
            full_at.duration_since(now).checked_sub(rates.whole).filter(|wait| !wait.is_zero())
        {
            return Err(wait);
        }
        if known.is_some() || self.has_room(now) {
            self.full_at.insert(owner, full_at);
        }
        Ok(())
    }

    /// Whether there is room for one more bucket, after full ones are removed.
    fn has_room(&mut self, now: Instant) -> bool {
        let due = self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP);
        if self.full_at.len() >= MOST && due {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.full_at.shrink_to(MOST / 16);
            self.swept = Some(now);
        }
        self.full_at.len() < MOST
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::domain::{Scope, Scopes};

    fn caller(tenant: &str, principal: Principal) -> Caller {
        Caller { tenant: tenant.into(), principal, scopes: Scopes::new(&Scope::ALL), credentials: None }
    }

    fn key(name: &str) -> Caller {
        caller("ten_1", Principal::Key(name.into()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_through_at_once_and_then_the_rate_holds() {
        let rates = KeyRateLimiter::new(4, 10);
        for _ in 0..10 {
            assert_eq!(rates.take(&key("one")), Ok(()));
        }
        assert_eq!(rates.take(&key("one")), Err(Duration::from_millis(250)));
        assert_eq!(rates.take(&key("other")), Ok(()), "a key pays for itself alone");
        advance(Duration::from_millis(249)).await;
        assert_eq!(rates.take(&key("one")), Err(Duration::from_millis(1)), "a refusal costs nothing");
        let mut taken = 0;
        for _ in 0..1000 {
            advance(Duration::from_millis(10)).await;
            taken += u32::from(rates.take(&key("one")).is_ok());
        }
        assert_eq!(taken, 40, "four a second for ten seconds");
        advance(Duration::from_mins(1)).await;
        let burst = (0..100).filter(|_| rates.take(&key("one")).is_ok()).count();
        assert_eq!(burst, 10, "a pause earns one burst and no more");
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_without_a_subject_of_two_tenants_are_two() {
        let rates = KeyRateLimiter::new(1, 1);
        let token = || Principal::Token { issuer: "https://login.example.com".into(), subject: None };
        assert_eq!(rates.take(&caller("ten_1", token())), Ok(()));
        assert!(rates.take(&caller("ten_1", token())).is_err());
        assert_eq!(rates.take(&caller("ten_2", token())), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_and_full_buckets_are_forgotten() {
        let rates = KeyRateLimiter::new(1, 1);
        for n in 0..MOST + 10 {
            rates.take(&key(&format!("k{n}"))).unwrap();
        }
        assert_eq!(rates.buckets.lock().unwrap().full_at.len(), MOST);
        assert!(rates.take(&key("k0")).is_err(), "in use, and so not forgotten");
        advance(Duration::from_secs(2)).await;
        rates.take(&key("new")).unwrap();
        assert_eq!(rates.buckets.lock().unwrap().full_at.len(), 1);
    }
}
