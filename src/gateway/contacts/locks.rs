//! Writes that must not overlap wait for each other: those on one contact, and creates of one identity.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::domain::{CallContext, CredentialId, Failure, FailureKind, Result};

type Held = HashMap<(CredentialId, String), Arc<tokio::sync::Mutex<()>>>;

/// Locks by credential and word, inside this process.
#[derive(Clone, Default)]
pub(super) struct Locks(Arc<Mutex<Held>>);

/// Locks that are held; dropping it lets the next writer in.
pub(super) struct Guard {
    locks: Arc<Mutex<Held>>,
    held: Vec<((CredentialId, String), OwnedMutexGuard<()>)>,
}

impl Locks {
    /// Waits for all of `words`, within the deadline. Words are taken in one order, so that two writers never wait for
    /// each other. Fails with `gateway_timeout`.
    pub(super) async fn hold(
        &self,
        context: &CallContext,
        credential: &CredentialId,
        words: BTreeSet<String>,
    ) -> Result<Guard> {
        let mut guard = Guard { locks: Arc::clone(&self.0), held: Vec::new() };
        for word in words {
            let key = (credential.clone(), word);
            let lock = Arc::clone(
                self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default(),
            );
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

impl Drop for Guard {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
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
        let (locks, credential) = (Locks::default(), CredentialId::from("c"));
        let soon = CallContext::within(Duration::from_millis(20), Text::from("r"));
        let first = locks.hold(&soon, &credential, words(&["a", "b"])).await.unwrap();
        let late = locks.hold(&soon, &credential, words(&["b", "c"])).await;
        assert_eq!(late.err().unwrap().kind, FailureKind::GatewayTimeout);
        assert!(locks.hold(&soon, &CredentialId::from("other"), words(&["b"])).await.is_ok());
        drop(first);
        let soon = CallContext::within(Duration::from_millis(20), Text::from("r"));
        drop(locks.hold(&soon, &credential, words(&["b", "c"])).await.unwrap());
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
