//! The limits of one credential's calls: concurrency, and a rate limit that it may share with others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::RateLimit;
use super::concurrency_limit::{ConcurrencyLimit, Permit, Visit};
use super::rate_limiter::{Acquire, RateLimiter};
use crate::domain::{CallContext, CredentialId, Priority, Provider, Result, TenantId, Text};

/// The longest pause of the other credentials of a group after a 429 to one of them. Otherwise one credential could stop the
/// others for any time.
const LONGEST_FOR_OTHERS: Duration = Duration::from_mins(5);

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountId {
    pub tenant: TenantId,
    pub credential: CredentialId,
}

/// The identity of an account, and its limits.
#[derive(Clone, Debug)]
pub struct AccountSpec {
    pub id: AccountId,
    pub provider: Provider,
    /// It shares its rate limit with the tenant's credentials of the same provider and group, of which the lowest limit counts;
    /// `None` shares with no other.
    pub group: Option<Text>,
    pub limits: Vec<RateLimit>,
}

/// The limits of one credential. Clones share them, and so do all that are made from the same spec.
#[derive(Clone)]
pub struct AccountLimits {
    pub(super) id: AccountId,
    concurrency: Arc<ConcurrencyLimit>,
    /// Its own pauses, and its rate limit if it shares none.
    own: Arc<RateLimiter>,
    group: Option<Arc<Membership>>,
    limits: Arc<[RateLimit]>,
    /// Whether a call succeeded since this was last asked.
    worked: Arc<AtomicBool>,
}

/// The limits of one account in a group: while it exists, they count for all of the group.
struct Membership {
    group: Arc<RateLimiter>,
    limits: Arc<[RateLimit]>,
}

impl Membership {
    fn new(group: Arc<RateLimiter>, limits: &Arc<[RateLimit]>) -> Self {
        group.join(limits);
        Self { group, limits: Arc::clone(limits) }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.group.leave(&self.limits);
    }
}

impl AccountLimits {
    pub(super) fn new(
        id: AccountId,
        concurrency: Arc<ConcurrencyLimit>,
        own: Arc<RateLimiter>,
        group: Option<Arc<RateLimiter>>,
        limits: Vec<RateLimit>,
    ) -> Self {
        let limits: Arc<[RateLimit]> = limits.into();
        let group = group.map(|group| Arc::new(Membership::new(group, &limits)));
        Self { id, concurrency, own, group, limits, worked: Arc::default() }
    }

    /// Counts a request of the credential until the result is dropped. Fails with `too_many_concurrent_requests` if the credential
    /// already has half of its tenant's requests.
    pub fn visit(&self) -> Result<Visit> {
        ConcurrencyLimit::visit(&self.concurrency)
    }

    /// Takes a permit for a concurrent request, to be held until the response is known. Waits at most 250 ms, interactive requests
    /// before background jobs. Fails with `too_many_concurrent_requests`.
    pub async fn enter(&self, context: &CallContext) -> Result<(Visit, Permit)> {
        let visit = self.visit()?;
        let permit = visit.enter(context).await?;
        Ok((visit, permit))
    }

    pub(super) fn note_success(&self) {
        // Mostly it is noted already.
        if !self.worked.load(Ordering::Relaxed) {
            self.worked.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the CRM accepted a call with the credential's secret since this was last asked.
    #[must_use]
    pub fn has_worked(&self) -> bool {
        self.worked.swap(false, Ordering::Relaxed)
    }

    /// Pauses calls of this account for `after`, or for a second if the CRM gave no time. Pauses the others of its group for at
    /// most 5 minutes.
    pub(super) fn pause(&self, after: Option<Duration>) -> Duration {
        let pause = self.own.pause(after);
        if let Some(Membership { group, .. }) = self.group.as_deref() {
            group.pause(Some(pause.min(LONGEST_FOR_OTHERS)));
        }
        pause
    }

    #[cfg(test)]
    pub(super) fn pause_left(&self) -> Duration {
        self.own
            .pause_left()
            .max(self.group.as_ref().map_or(Duration::ZERO, |member| member.group.pause_left()))
    }

    /// Returns when a call may be sent. Fails with `rate_limited` or `upstream_rate_limited`.
    pub(super) async fn start(&self, priority: Priority, deadline: Instant) -> Result<()> {
        let acquire = Acquire { limits: &self.limits, priority, deadline };
        match self.group.as_deref() {
            None => self.own.start(acquire).await,
            Some(Membership { group, .. }) => {
                self.own.start(Acquire { limits: &[], ..acquire }).await?;
                group.start(acquire).await
            }
        }
    }
}
