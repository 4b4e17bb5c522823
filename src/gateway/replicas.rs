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
pub(in crate::gateway) struct SharedGuard {
    held: Option<Held>,
}

struct Held {
    store: Arc<dyn LockStore>,
    fence: Text,
    /// Whether anything may have been taken.
    taken: bool,
    lease: Option<Lease>,
}

impl SharedGuard {
    /// Whether the locks are still ours: a process that was stopped for longer than the lease may have lost them.
    pub(in crate::gateway) fn holds(&self) -> bool {
        self.held.as_ref().and_then(|held| held.lease.as_ref()).is_none_or(Lease::holds)
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
        let Some(store) = &self.store else { return Ok(SharedGuard { held: None }) };
        let words: Arc<[String]> = words.into_iter().map(|word| named(tenant, credential, &word)).collect();
        loop {
            // In a task of its own: cut off in the middle, nobody would know whether to let go.
            let asked = tokio::spawn(ask(store.clone(), words.clone(), self.lease));
            let answered = tokio::time::timeout(context.remaining(), asked).await.map_err(|_| too_late())?;
            let held =
                answered.map_err(|_| Failure::internal("the task that asks for locks ended early"))??;
            if held.is_some() {
                return Ok(SharedGuard { held });
            }
            let pause = pause()?;
            if context.remaining() <= pause {
                return Err(too_late());
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Asks once. Whoever does not wait for the answer lets go by that.
async fn ask(store: Arc<dyn LockStore>, words: Arc<[String]>, time: Duration) -> Result<Option<Held>> {
    let fence = new_fence()?;
    let mut held = Held { store: store.clone(), fence: fence.clone(), taken: true, lease: None };
    let asked = Instant::now();
    held.taken = store.lock(&words, &fence, time).await?;
    if !held.taken {
        return Ok(None);
    }
    held.lease = Some(Lease::keep(time, asked, move || {
        let (store, fence) = (store.clone(), fence.clone());
        async move { Ok(store.keep(&fence, time).await? > 0) }
    }));
    Ok(Some(held))
}

impl Drop for Held {
    fn drop(&mut self) {
        let (store, fence, lease) = (self.store.clone(), self.fence.clone(), self.lease.take());
        // Where nothing runs any more, the lease ends by itself.
        let (true, Ok(runtime)) = (self.taken, tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Place, on_postgres};

    fn soon(time: u64) -> CallContext {
        CallContext::within(Duration::from_millis(time), "req".into())
    }

    struct Replica {
        locks: SharedLocks,
        store: Store,
    }

    impl Replica {
        async fn on(place: &Place) -> Self {
            let store = place.open().await;
            Self { locks: SharedLocks::new(&store, Limits::default()), store }
        }

        async fn hold(&self, time: u64, words: &[&str]) -> Result<SharedGuard> {
            self.hold_for("cred_1", time, words).await
        }

        async fn hold_for(&self, credential: &str, time: u64, words: &[&str]) -> Result<SharedGuard> {
            let words = words.iter().map(|word| (*word).to_owned());
            self.locks.hold(&soon(time), &"ten_1".into(), &credential.into(), words).await
        }
    }

    #[tokio::test]
    async fn where_one_process_alone_serves_they_lock_nothing() {
        let place = Place::new().await;
        let replica = Replica::on(&place).await;
        let _first = replica.hold(100, &["a"]).await.unwrap();
        assert!(replica.hold(100, &["a"]).await.is_ok());
        assert_eq!(replica.store.locks.erase_ended(10).await, Ok(0));
    }

    #[test]
    fn replicas_wait_for_each_other() {
        on_postgres(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(waiting());
        });
    }

    async fn waiting() {
        let place = Place::new().await;
        let (one, other) = (Replica::on(&place).await, Replica::on(&place).await);
        let first = one.hold(5000, &["canary@example.com", "b"]).await.unwrap();
        let late = other.hold(300, &["a", "canary@example.com"]).await;
        assert_eq!(late.err().unwrap().kind, FailureKind::GatewayTimeout);
        assert!(other.hold_for("cred_2", 5000, &["b"]).await.is_ok(), "of another credential");
        let free = other.hold(5000, &["a"]).await.expect("who waited in vain left nothing behind");
        let (then, ()) = tokio::join!(other.hold(10_000, &["b"]), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            drop(first);
        });
        assert!(then.is_ok(), "let in when the first went");
        drop((free, then));

        // Who is cut off while it waits or asks leaves nothing either.
        let held = one.hold(5000, &["x"]).await.unwrap();
        for time in 0..20 {
            let mut asking = std::pin::pin!(other.hold(5000, &["y"]));
            let _ = tokio::time::timeout(Duration::from_millis(time / 4), &mut asking).await;
        }
        assert!(other.hold(5000, &["y"]).await.is_ok());
        drop(held);
    }

    #[test]
    fn no_address_and_no_other_tenant_s_word_is_in_a_lock() {
        let name = |tenant: &str, credential: &str, word| named(&tenant.into(), &credential.into(), word);
        let one = name("t", "c", "canary@example.com");
        assert!(one.len() == 64 && !one.contains("canary"));
        assert_eq!(one, name("t", "c", "canary@example.com"));
        for other in [
            name("u", "c", "canary@example.com"),
            name("t", "d", "canary@example.com"),
            name("tc", "", "canary@example.com"),
        ] {
            assert_ne!(one, other);
        }
    }
}
