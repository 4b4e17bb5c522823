//! Locks over all processes on one database: creates of one identity run one after another, whichever replica they reach.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::writes::{Lease, hex, new_fence};
use crate::config::Limits;
use crate::domain::{CallContext, CredentialId, Failure, FailureKind, Result, TenantId, Text};
use crate::sealing::{Sealer, length_prefixed, random};
use crate::store::{LockStore, Store};

/// The shortest pause between two tries; up to nine times as much is added by chance, so that those who wait spread out.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Locks over all processes on one database; clones share everything. SQLite has them too: a second process may serve
/// from the same file while the first one is replaced.
#[derive(Clone)]
pub struct SharedLocks {
    store: LockStore,
    sealer: Arc<Sealer>,
    lease: Duration,
}

/// Locks that are held; dropping it lets the next writer in.
pub(in crate::gateway) struct SharedGuard {
    held: HeldReplica,
}

struct HeldReplica {
    store: LockStore,
    fence: Text,
    /// Whether anything may have been taken.
    taken: bool,
    lease: Option<Lease>,
}

impl SharedGuard {
    /// Whether the locks are still ours: a process that was stopped for longer than the lease may have lost them.
    pub(in crate::gateway) fn holds(&self) -> bool {
        self.held.lease.as_ref().is_some_and(Lease::holds)
    }
}

impl SharedLocks {
    /// Locks in `store`, whose words are made unreadable by `sealer`.
    pub fn new(store: &Store, sealer: Arc<Sealer>, limits: Limits) -> Self {
        Self { store: store.locks.clone(), sealer, lease: limits.lease }
    }

    /// The names of a word in the database: it may be somebody's e-mail address or number. One for each master key at
    /// hand, so that processes share one also while a rotation gives them different current keys.
    fn named(&self, tenant: &TenantId, credential: &CredentialId, word: &str) -> Vec<String> {
        let whole = length_prefixed(&[tenant.as_str(), credential.as_str(), word].map(str::as_bytes));
        self.sealer.macs("write lock", &whole).iter().map(|mac| hex(mac)).collect()
    }

    /// Waits for all of `words`, within the deadline. Fails with `gateway_timeout`, `store_unavailable`.
    pub(in crate::gateway) async fn hold(
        &self,
        context: &CallContext,
        tenant: &TenantId,
        credential: &CredentialId,
        words: impl IntoIterator<Item = String>,
    ) -> Result<SharedGuard> {
        let words: BTreeSet<String> =
            words.into_iter().flat_map(|word| self.named(tenant, credential, &word)).collect();
        let words: Arc<[String]> = words.into_iter().collect();
        loop {
            // In a task of its own: cut off in the middle, nobody would know whether to let go.
            let asked = tokio::spawn(ask(self.store.clone(), words.clone(), self.lease));
            let answered = tokio::time::timeout(context.remaining(), asked).await.map_err(|_| too_late())?;
            let held =
                answered.map_err(|_| Failure::internal("the task that asks for locks ended early"))??;
            if let Some(held) = held {
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
async fn ask(store: LockStore, words: Arc<[String]>, time: Duration) -> Result<Option<HeldReplica>> {
    let fence = new_fence()?;
    let mut held = HeldReplica { store: store.clone(), fence: fence.clone(), taken: true, lease: None };
    let asked = crate::clock::monotonic();
    held.taken = store.lock(&words, &fence, time).await?;
    if !held.taken {
        return Ok(None);
    }
    // All of them or none: one that another took meanwhile is lost, and with it the sense of the others.
    let all = words.len() as u64;
    held.lease = Some(Lease::keep(time, asked, move || {
        let (store, fence) = (store.clone(), fence.clone());
        async move { Ok(store.keep(&fence, time).await? == all) }
    }));
    Ok(Some(held))
}

impl Drop for HeldReplica {
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
    use crate::sealing::MasterKey;
    use crate::store::tests::{TestPlace, on_postgres};

    fn soon(time: u64) -> CallContext {
        CallContext::within(Duration::from_millis(time), "req".into())
    }

    struct Replica {
        locks: SharedLocks,
    }

    fn sealer(current: &MasterKey, others: &[MasterKey]) -> Arc<Sealer> {
        Arc::new(Sealer::with_others(current, others).unwrap())
    }

    impl Replica {
        async fn on(place: &TestPlace, sealer: &Arc<Sealer>) -> Self {
            Self { locks: SharedLocks::new(&place.open().await, Arc::clone(sealer), Limits::default()) }
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
    async fn processes_on_one_sqlite_file_wait_for_each_other_too() {
        waiting().await;
    }

    #[test]
    fn replicas_wait_for_each_other() {
        on_postgres(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(waiting());
        });
    }

    async fn waiting() {
        let place = TestPlace::new().await;
        // In the middle of a rotation: each has a current key of its own, and knows the other's.
        let keys = || {
            (
                MasterKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap(),
                MasterKey::parse("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap(),
            )
        };
        let ((old, new), (former, next)) = (keys(), keys());
        let one = Replica::on(&place, &sealer(&old, &[new])).await;
        let other = Replica::on(&place, &sealer(&next, &[former])).await;
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

    #[tokio::test]
    async fn no_address_and_no_other_tenant_s_word_is_in_a_lock() {
        let (place, sealer) = (TestPlace::new().await, sealer(&MasterKey::generate().unwrap(), &[]));
        let locks = Replica::on(&place, &sealer).await.locks;
        let other = Replica::on(&place, &self::sealer(&MasterKey::generate().unwrap(), &[])).await.locks;
        let name =
            |tenant: &str, credential: &str, word| locks.named(&tenant.into(), &credential.into(), word);
        let one = name("t", "c", "canary@example.com");
        assert!(one.len() == 1 && one[0].len() == 64 && !one[0].contains("canary"));
        assert_eq!(one, name("t", "c", "canary@example.com"));
        for other in [
            name("u", "c", "canary@example.com"),
            name("t", "d", "canary@example.com"),
            name("tc", "", "canary@example.com"),
            other.named(&"t".into(), &"c".into(), "canary@example.com"),
        ] {
            assert_ne!(one, other);
        }
    }
}
