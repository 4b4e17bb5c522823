//! Limits the lookups of searches: one search asks many credentials, but counts as one request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::config::Limits;
use crate::domain::{CallContext, Failure, FailureKind, Result, TenantId};
use crate::permits::{KeyedPermits, at_most};

/// The lookups in progress: of a tenant as many as it may have requests, and the same of the whole process.
pub(in crate::gateway::contacts) struct SearchPermits {
    tenants: KeyedPermits<TenantId>,
    all: Arc<Semaphore>,
}

/// A permit for one lookup, released when dropped.
pub(super) struct SearchPermit {
    _of_tenant: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl SearchPermits {
    pub(in crate::gateway::contacts) fn new(limits: &Limits) -> Self {
        let most = |limit| at_most(limit).max(1);
        let all = Arc::new(Semaphore::new(most(limits.in_flight)));
        Self { tenants: KeyedPermits::new(most(limits.tenant_in_flight)), all }
    }

    /// Waits for a permit, the tenant's first: a tenant waits for the process with no more than its share. Fails with
    /// `too_many_concurrent_requests` at the deadline.
    pub(super) async fn take(&self, context: &CallContext, tenant: &TenantId) -> Result<SearchPermit> {
        let take = async {
            let of_tenant = self.tenants.take(tenant).await?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(SearchPermit { _of_tenant: of_tenant, _of_all: of_all })
        };
        timeout_at(context.deadline, take).await.ok().flatten().ok_or_else(|| {
            let detail =
                "Other searches of this tenant asked too many credentials at the same time. Try again.";
            Failure::new(FailureKind::TooManyConcurrentRequests, detail)
                .with_retry_after(Some(Duration::from_secs(1)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_so_many_lookups_at_a_time() {
        let limits = Limits { tenant_in_flight: Some(2), in_flight: Some(3), ..Limits::default() };
        let permits = SearchPermits::new(&limits);
        let context = CallContext::within(Duration::from_secs(5), "test".into());
        let (one, other) = (TenantId::from("ten_1"), TenantId::from("ten_2"));
        let first = permits.take(&context, &one).await.unwrap();
        let second = permits.take(&context, &one).await.unwrap();
        let soon = context.with_timeout(Duration::from_millis(50));
        let refused = permits.take(&soon, &one).await.err().unwrap();
        assert_eq!(refused.kind, FailureKind::TooManyConcurrentRequests);
        let third = permits.take(&context, &other).await.unwrap();
        assert!(permits.take(&soon, &other).await.is_err(), "the process has no more");
        let waits = permits.take(&context, &one);
        let ends = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(first);
        };
        let (waited, ()) = tokio::join!(waits, ends);
        assert!(waited.is_ok(), "a lookup waits for one that ends");
        drop((second, third));
    }
}
