//! Admission: limits on requests in flight per process and per tenant, a rate limit per key, and one on wrong admin tokens. New
//! requests are refused once the process is stopping.

mod admin_token_throttle;
mod process_limit;
mod token_buckets;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{OwnedSemaphorePermit, watch};

use self::admin_token_throttle::AdminTokenThrottle;
use self::process_limit::{ProcessLimit, ProcessPermit};
use self::token_buckets::TokenBuckets;
use crate::config::Limits;
use crate::domain::{CallPermits, Caller, Failure, FailureKind, Principal, Result, TenantId};
use crate::permits::{KeyedPermits, at_most};
pub(in crate::api) use admin_token_throttle::{TOO_MANY_WRONG, network};

/// The `Retry-After` when too many requests are in flight. Requests are short.
const SOON: Duration = Duration::from_secs(1);

/// The limits of the process, shared by all requests.
pub struct RequestAdmission {
    closed: watch::Sender<bool>,
    has_stopped_waiting: AtomicBool,
    process: Arc<ProcessLimit>,
    tenants: KeyedPermits<TenantId>,
    rates: RwLock<Option<KeyRates>>,
    pub(in crate::api) admin_token_throttle: AdminTokenThrottle,
}

/// The rate limit of each key or token subject. Subjects are separate for each tenant. Tokens without a subject share one bucket
/// per tenant.
type KeyRates = TokenBuckets<(TenantId, Principal)>;

/// The permits of a request. They are held from before its body is read until its response is written and its write has ended.
#[derive(Clone)]
pub(in crate::api) struct AdmissionPermit(Arc<HeldPermits>);

struct HeldPermits {
    _process: ProcessPermit,
    /// Taken later, because the tenant is known only after authentication.
    tenant: OnceLock<OwnedSemaphorePermit>,
}

fn rates(limits: &Limits) -> Option<KeyRates> {
    limits.key_rate.map(|rate| TokenBuckets::new(Duration::from_secs(1) / rate.max(1), limits.key_burst))
}

impl RequestAdmission {
    /// Applies `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            closed: watch::Sender::new(false),
            has_stopped_waiting: AtomicBool::new(false),
            process: Arc::new(ProcessLimit::new(limits.in_flight)),
            tenants: KeyedPermits::new(at_most(limits.tenant_in_flight)),
            rates: RwLock::new(rates(limits)),
            admin_token_throttle: AdminTokenThrottle::new(),
        }
    }

    /// Replaces the rate limit of keys. Each key may send a burst again.
    pub fn set_rates(&self, limits: &Limits) {
        *self.rates.write() = rates(limits);
    }

    /// Refuses all further requests.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Notes that requests in flight are not waited for any longer, so that their record does not say that their callers left.
    pub fn stop_waiting(&self) {
        self.has_stopped_waiting.store(true, Ordering::Relaxed);
    }

    pub(in crate::api) fn has_stopped_waiting(&self) -> bool {
        self.has_stopped_waiting.load(Ordering::Relaxed)
    }

    /// Fails with `draining` after [`Self::close`].
    pub fn refuse_if_closed(&self) -> Result<()> {
        if *self.closed.borrow() { Err(draining()) } else { Ok(()) }
    }

    /// Waits for [`Self::close`], and returns the failure `draining`.
    pub(in crate::api) async fn until_closed(&self) -> Failure {
        // It fails only if the sender is dropped, and `self` owns the sender.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
        draining()
    }

    /// Requests in flight, and those of the tenant with most of them.
    pub fn in_flight(&self) -> (usize, usize) {
        (usize::try_from(self.process.held()).unwrap_or(usize::MAX), self.tenants.most_held())
    }

    /// Waits until no request is in flight, and no write whose caller has disconnected.
    pub async fn until_empty(&self) {
        self.process.until_empty().await;
    }

    /// Admits a request before its caller is known. Fails with `draining`, `overloaded`.
    pub(in crate::api) fn admit(&self) -> Result<AdmissionPermit> {
        let permit = self.process.take();
        // Checked after the permit is taken: once admission is closed and no permit is held, no request can start.
        self.refuse_if_closed()?;
        let permit = permit.ok_or_else(|| {
            let detail = "The gateway has reached its limit of concurrent requests. Nothing was done.";
            Failure::new(FailureKind::Overloaded, detail).with_retry_after(Some(SOON))
        })?;
        Ok(AdmissionPermit(Arc::new(HeldPermits { _process: permit, tenant: OnceLock::new() })))
    }

    /// Admits the caller of a request that holds `held`. Without `held` only the rate limit applies.
    /// Fails with `rate_limited`, `too_many_concurrent_requests`.
    pub(in crate::api) fn admit_caller(&self, caller: &Caller, held: Option<&AdmissionPermit>) -> Result<()> {
        let owner = || (caller.tenant.clone(), caller.principal.clone());
        if let Some(Err(wait)) = self.rates.read().as_ref().map(|rates| rates.take(owner())) {
            let detail = format!("This {} exceeds its rate limit.", caller.principal.noun());
            return Err(Failure::new(FailureKind::RateLimited, detail).with_retry_after(Some(wait)));
        }
        let permit = self.tenants.try_take(&caller.tenant).ok_or_else(|| {
            let detail = "The tenant has reached its limit of concurrent requests.";
            Failure::new(FailureKind::TooManyConcurrentRequests, detail).with_retry_after(Some(SOON))
        })?;
        if let Some(AdmissionPermit(permits)) = held {
            // A request belongs to one tenant: a second permit would be released at once.
            let _ = permits.tenant.set(permit);
        }
        Ok(())
    }
}

fn draining() -> Failure {
    Failure::new(FailureKind::Draining, "The gateway is stopping. Send the request to another replica.")
}

impl AdmissionPermit {
    /// The same permits, held by the call as well.
    pub(in crate::api) fn of_call(&self) -> CallPermits {
        CallPermits::holding(Arc::clone(&self.0) as Arc<_>)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::domain::{Scope, Scopes};

    #[tokio::test(start_paused = true)]
    async fn tokens_without_a_subject_of_two_tenants_have_two_rates() {
        let limits = Limits { key_rate: Some(1), key_burst: 1, ..Limits::default() };
        let admission = RequestAdmission::new(&limits);
        let admitted = |tenant: &str| {
            let principal = Principal::Token { issuer: "https://login.example.com".into(), subject: None };
            let scopes = Scopes::new(&Scope::ALL);
            admission
                .admit_caller(&Caller { tenant: tenant.into(), principal, scopes, credentials: None }, None)
                .is_ok()
        };
        assert_eq!([admitted("ten_1"), admitted("ten_1"), admitted("ten_2")], [true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_whose_caller_left_keeps_its_place_and_is_waited_for() {
        let admission = RequestAdmission::new(&Limits { in_flight: Some(1), ..Limits::default() });
        let permit = admission.admit().unwrap();
        let write = permit.of_call();
        drop(permit);
        assert_eq!(admission.admit().err().unwrap().kind, FailureKind::Overloaded);
        admission.close();
        assert_eq!(admission.admit().err().unwrap().kind, FailureKind::Draining);
        assert!(timeout(SOON, admission.until_empty()).await.is_err());
        drop(write);
        assert!(timeout(SOON, admission.until_empty()).await.is_ok());
    }
}
