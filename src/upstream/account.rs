//! One credential as the wire sees it: its places, and the budget of calls that it may share with others.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::RateLimit;
use super::concurrency_limit::{ConcurrencyLimit, Permit, Visit};
use super::rate_limiter::{Acquire, RateLimiter};
use crate::domain::{CallContext, CredentialId, Priority, Provider, Result, TenantId, Text};

/// The longest pause that a 429 to one credential means for the others of its group: one of them must not be able to stop
/// the rest for as long as it likes.
const LONGEST_FOR_OTHERS: Duration = Duration::from_mins(5);

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountId {
    pub tenant: TenantId,
    pub credential: CredentialId,
}

/// What an account is kept by and may use.
#[derive(Clone, Debug)]
pub struct AccountSpec {
    pub id: AccountId,
    pub provider: Provider,
    /// The budget that it shares with the tenant's credentials of the same provider and group; `None` is its own.
    pub group: Option<Text>,
    pub limits: Vec<RateLimit>,
}

/// The account of one credential: clones share places and budget, and so do all accounts made of the same spec.
#[derive(Clone)]
pub struct AccountLimits {
    pub(super) id: AccountId,
    places: Arc<ConcurrencyLimit>,
    /// Its own pauses, and its starts where it shares no budget.
    own: Arc<RateLimiter>,
    group: Option<Arc<RateLimiter>>,
    limits: Arc<[RateLimit]>,
}

impl AccountLimits {
    pub(super) fn new(
        id: AccountId,
        places: Arc<ConcurrencyLimit>,
        own: Arc<RateLimiter>,
        group: Option<Arc<RateLimiter>>,
        limits: Vec<RateLimit>,
    ) -> Self {
        Self { id, places, own, group, limits: limits.into() }
    }

    /// Counts a request among the credential's, whatever it waits for, until it is dropped. Fails with
    /// `too_many_concurrent_requests` where the credential has half of its tenant's requests already.
    pub fn visit(&self) -> Result<Visit> {
        ConcurrencyLimit::visit(&self.places)
    }

    /// Takes a place among the credential's requests under way, to be held until the request's response is known; waits
    /// at most 250 ms for it, people before jobs. Fails with `too_many_concurrent_requests`, nothing sent.
    pub async fn enter(&self, context: &CallContext) -> Result<(Visit, Permit)> {
        let visit = self.visit()?;
        let place = visit.enter(context).await?;
        Ok((visit, place))
    }

    /// Nothing is sent for this account before `after`, or for a second where the CRM named no time; for the others of
    /// its group at most 5 minutes.
    pub(super) fn pause(&self, after: Option<Duration>) -> Duration {
        let pause = self.own.pause(after);
        if let Some(group) = &self.group {
            group.pause(Some(pause.min(LONGEST_FOR_OTHERS)));
        }
        pause
    }

    #[cfg(test)]
    pub(super) fn pause_left(&self) -> Duration {
        self.own.pause_left().max(self.group.as_ref().map_or(Duration::ZERO, |group| group.pause_left()))
    }

    /// Returns when a call may be sent. Fails with `rate_limited` or `upstream_rate_limited`, nothing sent.
    pub(super) async fn start(&self, priority: Priority, deadline: Instant) -> Result<()> {
        let wish = Acquire { limits: &self.limits, priority, deadline };
        match &self.group {
            None => self.own.start(wish).await,
            Some(group) => {
                self.own.start(Acquire { limits: &[], ..wish }).await?;
                group.start(wish).await
            }
        }
    }
}
