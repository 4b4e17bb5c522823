//! Who is let in: so many requests under way in the process and of one tenant, so many a second of one key, and none
//! any more once the process stops.

mod key_rate_limiter;
mod tenant_limit;
mod tenants;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::key_rate_limiter::KeyRateLimiter;
use self::tenant_limit::{TenantLimit, TenantPermit};
use self::tenants::{TenantLimits, TenantPlace};
use crate::config::Limits;
use crate::domain::{Admission, Caller, Failure, FailureKind, Result};

/// When to come again where requests under way are too many: they are short.
const SOON: Duration = Duration::from_secs(1);

/// The process's own limits; one for all requests.
pub struct RequestAdmission {
    closed: AtomicBool,
    places: Arc<TenantLimit>,
    tenants: TenantLimits,
    rates: Option<KeyRateLimiter>,
}

/// What a request holds from before anything of it is read until its response is written, and its write until its end.
#[derive(Clone)]
pub(in crate::api) struct AdmissionPermit(Arc<HeldPermits>);

struct HeldPermits {
    _place: TenantPermit,
    /// Taken later: whose request it is shows only with its key.
    tenant: OnceLock<TenantPlace>,
}

impl RequestAdmission {
    /// A gate that keeps to `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            closed: AtomicBool::new(false),
            places: Arc::new(TenantLimit::new(limits.in_flight)),
            tenants: TenantLimits::new(limits.tenant_in_flight),
            rates: limits.key_rate.map(|rate| KeyRateLimiter::new(rate, limits.key_burst)),
        }
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Fails with `draining` once the gate is closed.
    pub fn open(&self) -> Result<()> {
        if !self.closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Draining, "The gateway is stopping; send the call to another one."))
    }

    /// Waits until nothing is under way: no request, and no write whose caller has left.
    pub async fn until_empty(&self) {
        self.places.until_empty().await;
    }

    /// Lets a request in, whoever sends it. Fails with `draining`, `overloaded`.
    pub(in crate::api) fn enter(&self) -> Result<AdmissionPermit> {
        let place = self.places.take();
        // Only now: whoever closes the gate and then sees nobody inside can rely on it.
        self.open()?;
        let place = place.ok_or_else(|| {
            let detail = "The gateway has as many requests under way as it may. Nothing was done.";
            Failure::new(FailureKind::Overloaded, detail).with_retry_after(Some(SOON))
        })?;
        Ok(AdmissionPermit(Arc::new(HeldPermits { _place: place, tenant: OnceLock::new() })))
    }

    /// Lets the caller in whose request holds `pass`; without one only the rate counts.
    /// Fails with `rate_limited`, `too_many_concurrent_requests`.
    pub(in crate::api) fn admit(&self, caller: &Caller, pass: Option<&AdmissionPermit>) -> Result<()> {
        if let Some(Err(wait)) = self.rates.as_ref().map(|rates| rates.take(caller)) {
            let detail = format!("This {} sends more requests than it may.", caller.principal.noun());
            return Err(Failure::new(FailureKind::RateLimited, detail).with_retry_after(Some(wait)));
        }
        let place = self.tenants.take(&caller.tenant).ok_or_else(|| {
            let detail = "The tenant has as many requests under way as it may.";
            Failure::new(FailureKind::TooManyConcurrentRequests, detail).with_retry_after(Some(SOON))
        })?;
        if let Some(AdmissionPermit(held)) = pass {
            // A request is one tenant's: a second place of it would be given back at once.
            let _ = held.tenant.set(place);
        }
        Ok(())
    }
}

impl AdmissionPermit {
    /// The same places, held along with the call.
    pub(in crate::api) fn admission(&self) -> Admission {
        Admission::holding(Arc::clone(&self.0) as Arc<_>)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_whose_caller_left_keeps_its_place_and_is_waited_for() {
        let gate = RequestAdmission::new(&Limits { in_flight: Some(1), ..Limits::default() });
        let pass = gate.enter().unwrap();
        let write = pass.admission();
        drop(pass);
        assert_eq!(gate.enter().err().unwrap().kind, FailureKind::Overloaded);
        gate.close();
        assert_eq!(gate.enter().err().unwrap().kind, FailureKind::Draining);
        assert!(timeout(SOON, gate.until_empty()).await.is_err());
        drop(write);
        assert!(timeout(SOON, gate.until_empty()).await.is_ok());
    }
}
