//! What is known about one host: its breaker, its retry budget, and which accounts use it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

use super::AccountId;
use super::breaker::{Admitted, Breaker, Change, Verdict};
use super::retry::RetryBudget;
use crate::domain::{Failure, FailureKind, Result};

/// One authority: scheme, host and port.
pub(super) struct Host {
    authority: String,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    breaker: Breaker,
    retries: RetryBudget,
    /// Accounts with a way to this host in memory, and how many ways.
    guests: HashMap<AccountId, usize>,
}

impl Host {
    pub(super) fn new(authority: String) -> Self {
        Self { authority, known: Mutex::default() }
    }

    /// Notes a call, which allows for retries.
    pub(super) fn count_call(&self) {
        self.known().retries.count_call(Instant::now());
    }

    /// Takes a retry from the budget, where there is one.
    pub(super) fn may_retry(&self) -> bool {
        self.known().retries.take(Instant::now())
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn at_rest(&self, now: Instant) -> bool {
        let known = self.known();
        known.breaker.at_rest(now) && known.retries.at_rest(now)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn shared(&self) -> bool {
        self.guests.len() > 1
    }
}

/// An account's way to a host; it counts as a user of the host while it lives.
pub(super) struct Guest {
    pub(super) host: Arc<Host>,
    account: AccountId,
}

impl Guest {
    pub(super) fn new(host: Arc<Host>, account: AccountId) -> Self {
        *host.known().guests.entry(account.clone()).or_default() += 1;
        Self { host, account }
    }

    /// Lets a call through. Fails with `upstream_circuit_open` and the time after which to come again.
    pub(super) fn admit(&self) -> Result<Pass<'_>> {
        let mut known = self.host.known();
        let shared = known.shared();
        match known.breaker.admit(Instant::now(), &self.account, shared) {
            Ok(admitted) => Ok(Pass { guest: self, admitted, noted: false }),
            Err(wait) => {
                let detail =
                    "The CRM's host failed again and again and is left alone for a moment; nothing was sent.";
                Err(Failure::new(FailureKind::UpstreamCircuitOpen, detail).with_retry_after(Some(wait)))
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut known = self.host.known();
        if let Some(ways) = known.guests.get_mut(&self.account) {
            *ways -= 1;
            if *ways == 0 {
                known.guests.remove(&self.account);
            }
        }
    }
}

/// A call that the breaker let through. One that is dropped tells nothing: where it was the probe, the next call is.
pub(super) struct Pass<'a> {
    guest: &'a Guest,
    admitted: Admitted,
    noted: bool,
}

impl Pass<'_> {
    /// Tells the breaker how the call went.
    pub(super) fn note(mut self, verdict: Verdict) {
        self.tell(verdict);
    }

    fn tell(&mut self, verdict: Verdict) {
        self.noted = true;
        let Guest { host, account } = self.guest;
        let mut known = host.known();
        let shared = known.shared();
        match known.breaker.note(Instant::now(), account, self.admitted, verdict, shared) {
            Some(Change::Opened(span)) => {
                tracing::info!(host = %host.authority, ?span, shared, "breaker opened");
            }
            Some(Change::Closed) => tracing::info!(host = %host.authority, "breaker closed"),
            None => {}
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.noted {
            self.tell(Verdict::Nothing);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn guest(host: &Arc<Host>, name: &str) -> Guest {
        Guest::new(host.clone(), AccountId { tenant: "ten_1".into(), credential: name.into() })
    }

    fn fail(guest: &Guest) {
        guest.admit().unwrap().note(Verdict::Failed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waited_is_not_sent_to_a_host_that_was_closed_meanwhile() {
        let host = Arc::new(Host::new("https://crm.example.com".into()));
        let only = guest(&host, "a");
        drop(only.admit().unwrap());
        (0..5).for_each(|_| fail(&only));
        let failure = only.admit().err().unwrap();
        assert_eq!(
            (failure.kind, failure.retry_after),
            (FailureKind::UpstreamCircuitOpen, Some(Duration::from_secs(5)))
        );
        tokio::time::advance(Duration::from_secs(5)).await;
        let probe = only.admit().unwrap();
        assert!(only.admit().is_err(), "one probe at a time");
        drop(probe);
        only.admit().unwrap().note(Verdict::Works);
        assert!(only.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_shared_while_two_accounts_have_a_way_to_it() {
        let host = Arc::new(Host::new("https://crm.example.com".into()));
        let (one, same) = (guest(&host, "a"), guest(&host, "a"));
        assert!(!host.known().shared());
        let other = guest(&host, "b");
        assert!(host.known().shared());
        (0..10).for_each(|_| fail(&one));
        drop((other, same));
        assert!(!host.known().shared());
        fail(&one);
        assert!(one.admit().is_err());
        drop(one);
        assert!(!host.at_rest(Instant::now()), "it stays open though nobody uses it");
    }
}
