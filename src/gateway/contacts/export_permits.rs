//! The exports that run: at most 2 on a credential and 4 of a tenant, because each holds a connection and calls its CRM for
//! minutes.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::domain::{CredentialId, Failure, FailureKind, Result, TenantId};
use crate::permits::KeyedPermits;

const OF_CREDENTIAL: usize = 2;
const OF_TENANT: usize = 4;
/// An export takes minutes.
const RETRY_AFTER: Duration = Duration::from_secs(30);

pub(super) struct ExportPermits {
    credentials: KeyedPermits<(TenantId, CredentialId)>,
    tenants: KeyedPermits<TenantId>,
}

/// A permit for one export, released when dropped.
pub(super) struct ExportPermit {
    _of_credential: OwnedSemaphorePermit,
    _of_tenant: OwnedSemaphorePermit,
}

impl Default for ExportPermits {
    fn default() -> Self {
        Self { credentials: KeyedPermits::new(OF_CREDENTIAL), tenants: KeyedPermits::new(OF_TENANT) }
    }
}

impl ExportPermits {
    /// Takes a permit. Fails with `too_many_concurrent_requests`.
    pub(super) fn take(&self, tenant: &TenantId, credential: &CredentialId) -> Result<ExportPermit> {
        let full = |detail: String| {
            let failure = Failure::new(FailureKind::TooManyConcurrentRequests, detail);
            failure.with_retry_after(Some(RETRY_AFTER))
        };
        let of_credential = self.credentials.try_take(&(tenant.clone(), credential.clone()));
        let of_credential = of_credential.ok_or_else(|| {
            full(format!("The credential has {OF_CREDENTIAL} exports already. Wait until one ends."))
        })?;
        let of_tenant = self.tenants.try_take(tenant).ok_or_else(|| {
            full(format!("The tenant has {OF_TENANT} exports already. Wait until one ends."))
        })?;
        Ok(ExportPermit { _of_credential: of_credential, _of_tenant: of_tenant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_exports_run_on_a_credential_and_four_of_a_tenant() {
        let permits = ExportPermits::default();
        let take = |tenant: &str, credential: &str| permits.take(&tenant.into(), &credential.into());
        let held: Vec<_> = ["a", "a", "b", "c"].map(|credential| take("one", credential).unwrap()).into();
        let refused = take("one", "a").err().unwrap();
        assert_eq!(refused.kind, FailureKind::TooManyConcurrentRequests);
        assert!(refused.retry_after.is_some() && refused.detail.contains("credential"));
        assert!(take("one", "d").err().unwrap().detail.contains("tenant"));
        assert!(take("two", "a").is_ok(), "another tenant");
        drop(held);
        assert!(take("one", "a").is_ok());
    }
}
