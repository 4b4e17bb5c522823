//! Locks over all processes on one database: creates of one identity run one after another, whichever replica they reach.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::idempotency::{Lease, hex, new_fence};
use crate::config::Limits;
use crate::domain::{CallContext, CredentialId, Failure, FailureKind, Result, TenantId, Text};
use crate::sealing::{digest, random};
use crate::store::{LockStore, Store};

/// The shortest pause between two tries; up to nine times as much is added by chance, so that those who wait spread out.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Locks over all replicas; clones share everything. Only PostgreSQL is shared by replicas. On SQLite one process alone
/// serves, whose own locks do: there these lock nothing and ask nothing of the database.
#[derive(Clone)]
pub struct SharedLocks {
    store: Option<Arc<dyn LockStore>>,
    lease: Duration,
}

/// Locks that are held; dropping it lets the next writer in.
pub(in crate::gateway) struct SharedGuard(Option<Held>);

struct Held {
    store: Arc<dyn LockStore>,
    fence: Text,
    lease: Option<Lease>,
}

impl SharedGuard {
    /// Whether the locks are still ours: a process that was stopped for longer than the lease may have lost them.
    pub(in crate::gateway) fn holds(&self) -> bool {
        self.0.as_ref().and_then(|held| held.lease.as_ref()).is_none_or(Lease::holds)
    }
}

impl SharedLocks {
    /// Locks in `store`.
    pub fn new(store: &Store, limits: Limits) -> Self {
        Self { store: store.shared.then(|| store.locks.clone()), lease: limits.lease }
    }

    /// Waits for all of `words`, within the deadline. Fails with `gateway_timeout`, `store_unavailable`.
    pub(in crate::gateway) async fn hold(
        &self,
        context: &CallContext,
        tenant: &TenantId,
        credential: &CredentialId,
        words: impl IntoIterator<Item = String>,
    ) -> Result<SharedGuard> {
        let Some(store) = &self.store else { return Ok(SharedGuard(None)) };
        let words: Vec<String> = words.into_iter().map(|word| named(tenant, credential, &word)).collect();
        let fence = new_fence()?;
        // Dropped while it waits, it lets go what a statement under way may still take.
        let mut held = Held { store: store.clone(), fence: fence.clone(), lease: None };
        loop {
            let asked = Instant::now();
            if tokio::time::timeout(context.remaining(), store.lock(&words, &fence, self.lease))
                .await
                .unwrap_or_else(|_| Err(too_late()))?
            {
                held.lease = Some(kept(store, &fence, self.lease, asked));
                return Ok(SharedGuard(Some(held)));
            }
            let pause = pause()?;
            if context.remaining() <= pause {
                return Err(too_late());
            }
            tokio::time::sleep(pause).await;
        }
    }
}

fn kept(store: &Arc<dyn LockStore>, fence: &Text, time: Duration, asked: Instant) -> Lease {
    let (store, fence) = (store.clone(), fence.clone());
    Lease::keep(time, asked, move || {
        let (store, fence) = (store.clone(), fence.clone());
        async move { Ok(store.keep(&fence, time).await? > 0) }
    })
}

impl Drop for Held {
    fn drop(&mut self) {
        let (store, fence, lease) = (self.store.clone(), self.fence.clone(), self.lease.take());
        tokio::spawn(async move {
            if let Some(lease) = lease {
                lease.end().await;
            }
            if store.unlock(&fence).await.is_err() {
                tracing::warn!(
                    "locks over all replicas could not be let go; they are free when their lease ends"
                );
            }
        });
    }
}

/// What stands for a word in the database: a word may be an e-mail address. A mac would change with the master key, and
/// replicas change theirs one after another.
fn named(tenant: &TenantId, credential: &CredentialId, word: &str) -> String {
    let parts = [tenant.as_str(), credential.as_str(), word];
    let whole: Vec<u8> = parts
        .iter()
        .flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat())
        .collect();
    hex(&digest(&whole))
}

fn pause() -> Result<Duration> {
    let [chance] = random::<1>()?;
    Ok(SHORTEST_PAUSE + SHORTEST_PAUSE * 9 * u32::from(chance) / 255)
}

fn too_late() -> Failure {
    let detail = "Another write on the same contact or e-mail address took the whole time. Try again.";
    Failure::new(FailureKind::GatewayTimeout, detail)
}
