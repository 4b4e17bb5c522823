//! The exports that run: at most 2 on a credential and 4 of a tenant, because each holds a connection and calls its CRM for
//! minutes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::{CredentialId, Failure, FailureKind, Result, TenantId};

const OF_CREDENTIAL: usize = 2;
const OF_TENANT: usize = 4;
/// An export takes minutes.
const RETRY_AFTER: Duration = Duration::from_secs(30);

type RunningExports = Arc<Mutex<HashMap<TenantId, Vec<CredentialId>>>>;

#[derive(Default)]
pub(super) struct ExportPermits(RunningExports);

/// A permit for one export, released when dropped.
pub(super) struct ExportPermit {
    running: RunningExports,
    tenant: TenantId,
    credential: CredentialId,
}

impl ExportPermits {
    /// Takes a permit. Fails with `too_many_concurrent_requests`.
    pub(super) fn take(&self, tenant: &TenantId, credential: &CredentialId) -> Result<ExportPermit> {
        let mut running = self.0.lock();
        let exports = running.get(tenant).map_or(&[][..], Vec::as_slice);
        let of_credential = exports.iter().filter(|one| *one == credential).count();
        let detail = if of_credential >= OF_CREDENTIAL {
            format!("The credential has {OF_CREDENTIAL} exports already. Wait until one ends.")
        } else if exports.len() >= OF_TENANT {
            format!("The tenant has {OF_TENANT} exports already. Wait until one ends.")
        } else {
            running.entry(tenant.clone()).or_default().push(credential.clone());
            let (tenant, credential) = (tenant.clone(), credential.clone());
            return Ok(ExportPermit { running: Arc::clone(&self.0), tenant, credential });
        };
        let failure = Failure::new(FailureKind::TooManyConcurrentRequests, detail);
        Err(failure.with_retry_after(Some(RETRY_AFTER)))
    }
}

impl Drop for ExportPermit {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        let Some(exports) = running.get_mut(&self.tenant) else { return };
        if let Some(index) = exports.iter().position(|one| *one == self.credential) {
            exports.swap_remove(index);
        }
        if exports.is_empty() {
            running.remove(&self.tenant);
        }
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
        assert!(permits.0.lock().is_empty(), "nothing is kept of exports that ended");
    }
}
