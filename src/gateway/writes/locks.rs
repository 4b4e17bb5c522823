//! Writes that must not overlap wait for each other: those on one contact, and creates of one identity; over all
//! replicas where there are several.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::domain::{CallContext, CredentialId, Failure, FailureKind, Result, TenantId};
use crate::gateway::replicas::{SharedGuard, SharedLocks};

type HeldLocks = HashMap<(TenantId, CredentialId, String), Arc<tokio::sync::Mutex<()>>>;

/// Locks by credential and word. Inside the process first, so that of all its writers one asks the database.
#[derive(Clone)]
pub(in crate::gateway) struct Locks {
    here: Here,
    everywhere: SharedLocks,
}

/// Locks that are held; dropping it lets the next writer in.
pub(in crate::gateway) struct Guard {
    everywhere: SharedGuard,
    _here: HereGuard,
}

impl Guard {
    /// Whether the locks are still held: their hold over all replicas ends where this process stands still for long.
    pub(in crate::gateway) fn holds(&self) -> bool {
        self.everywhere.holds()
    }
}

impl Locks {
    pub(in crate::gateway) fn new(everywhere: SharedLocks) -> Self {
        Self { here: Here::default(), everywhere }
    }

    /// Waits for all of `words`, within the deadline. Fails with `gateway_timeout`, `store_unavailable`.
    pub(in crate::gateway) async fn hold(
        &self,
        context: &CallContext,
        (tenant, credential): (&TenantId, &CredentialId),
        words: BTreeSet<String>,
    ) -> Result<Guard> {
        let here = self.here.hold(context, (tenant, credential), &words).await?;
        let everywhere = self.everywhere.hold(context, tenant, credential, words).await?;
        Ok(Guard { everywhere, _here: here })
    }
}

/// Locks inside this process.
#[derive(Clone, Default)]
struct Here(Arc<Mutex<HeldLocks>>);

struct HereGuard {
    locks: Arc<Mutex<HeldLocks>>,
    held: Vec<((TenantId, CredentialId, String), OwnedMutexGuard<()>)>,
}

impl Here {
    /// Waits for all of `words`, within the deadline. Words are taken in one order, so that two writers never wait for
    /// each other. Fails with `gateway_timeout`.
    async fn hold(
        &self,
        context: &CallContext,
        (tenant, credential): (&TenantId, &CredentialId),
        words: &BTreeSet<String>,
    ) -> Result<HereGuard> {
        let mut guard = HereGuard { locks: Arc::clone(&self.0), held: Vec::new() };
        for word in words {
            let key = (tenant.clone(), credential.clone(), word.clone());
            let lock = Arc::clone(self.0.lock().entry(key.clone()).or_default());
            let Ok(held) = tokio::time::timeout(context.remaining(), lock.lock_owned()).await else {
                let detail =
                    "Another write on the same contact or e-mail address took the whole time. Try again.";
                return Err(Failure::new(FailureKind::GatewayTimeout, detail));
            };
            guard.held.push((key, held));
        }
        Ok(guard)
    }
}

impl Drop for HereGuard {
    fn drop(&mut self) {
        let mut locks = self.locks.lock();
        for (key, held) in self.held.drain(..) {
            drop(held);
            // Nobody else holds or awaits the lock when the map has the last reference.
            if locks.get(&key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
                locks.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Text;

    fn words(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[tokio::test]
    async fn one_waits_for_the_other_and_nothing_is_left_behind() {
        let (locks, tenant, mine) = (Here::default(), TenantId::from("t"), CredentialId::from("c"));
        let (all, some) = (words(&["a", "b"]), words(&["b", "c"]));
        let soon = CallContext::within(Duration::from_millis(20), Text::from("r"));
        let first = locks.hold(&soon, (&tenant, &mine), &all).await.unwrap();
        let late = locks.hold(&soon, (&tenant, &mine), &some).await;
        assert_eq!(late.err().unwrap().kind, FailureKind::GatewayTimeout);
        assert!(locks.hold(&soon, (&tenant, &CredentialId::from("other")), &some).await.is_ok());
        assert!(locks.hold(&soon, (&TenantId::from("other"), &mine), &some).await.is_ok());
        drop(first);
        let soon = CallContext::within(Duration::from_millis(20), Text::from("r"));
        drop(locks.hold(&soon, (&tenant, &mine), &some).await.unwrap());
        assert!(locks.0.lock().is_empty());
    }
}
