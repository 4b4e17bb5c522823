//! One credential as the wire sees it: its places, and the budget of calls that it may share with others.

use std::sync::Arc;

use tokio::time::Instant;

use super::RateLimit;
use super::pace::{Pace, Wish};
use super::places::{Place, Places};
use crate::domain::{CallContext, CredentialId, Priority, Provider, Result, TenantId, Text};

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountId {
    /// The tenant.
    pub tenant: TenantId,
    /// Its credential.
    pub credential: CredentialId,
}

/// What an account is kept by and may use.
#[derive(Clone, Debug)]
pub struct AccountSpec {
    /// Whose it is.
    pub id: AccountId,
    /// At which CRM.
    pub provider: Provider,
    /// The budget that it shares with the tenant's credentials of the same provider and group; `None` is its own.
    pub group: Option<Text>,
    /// How fast it may send.
    pub limits: Vec<RateLimit>,
}

/// The account of one credential: clones share places and budget, and so do all accounts made of the same spec.
#[derive(Clone)]
pub struct Account {
    pub(super) id: AccountId,
    places: Arc<Places>,
    pub(super) pace: Arc<Pace>,
    limits: Arc<[RateLimit]>,
}

impl Account {
    pub(super) fn new(id: AccountId, places: Arc<Places>, pace: Arc<Pace>, limits: Vec<RateLimit>) -> Self {
        Self { id, places, pace, limits: limits.into() }
    }

    /// Takes a place among the credential's requests under way, to be held until the request's answer is known; waits
    /// at most 250 ms for it, people before jobs. Fails with `too_many_concurrent_requests`, nothing sent.
    pub async fn enter(&self, context: &CallContext) -> Result<Place> {
        self.places.take(context).await
    }

    /// Returns when a call may be sent. Fails with `rate_limited` or `upstream_rate_limited`, nothing sent.
    pub(super) async fn start(&self, priority: Priority, deadline: Instant) -> Result<()> {
        self.pace.start(Wish { limits: &self.limits, priority, deadline }).await
    }
}
