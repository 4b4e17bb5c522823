//! Locks for writes that must not overlap: writes of one contact, and creates of one identity.
//!
//! A writer takes the locks of its process first, so that only one writer of each process queries the database. Then it takes
//! the locks in the database, which all processes share. SQLite needs them too, because a second process may serve from the
//! same file while the first one is replaced.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::{Lease, new_fence};
use crate::config::Limits;
use crate::domain::{CallContext, CredentialId, Failure, FailureKind, Result, TenantId, Text};
use crate::sealing::{Sealer, hex, length_prefixed, random};
use crate::store::{LockStore, Store};

/// The pause between two attempts is random, which spreads out the waiting writers.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// For so long the writers of one process hand a lock on without a pause. Then other processes get their turn.
const LONGEST_STREAK: Duration = Duration::from_secs(1);

type LockKey = (TenantId, CredentialId, String);
/// A lock of this process, and since when its writers have held it in turn.
type LocalLock = tokio::sync::Mutex<Option<Instant>>;
type HeldLocks = HashMap<LockKey, Arc<LocalLock>>;

/// Locks by credential and lock key, in this process and in the database.
#[derive(Clone)]
pub(in crate::gateway) struct Locks {
    local: LocalLocks,
    shared: SharedLocks,
}

impl Locks {
    pub(in crate::gateway) fn new(shared: SharedLocks) -> Self {
        Self { local: LocalLocks::default(), shared }
    }

    /// Waits for all of `lock_keys` until the deadline. Fails with `gateway_timeout`, `store_unavailable`.
    pub(in crate::gateway) async fn hold(
        &self,
        context: &CallContext,
        (tenant, credential): (&TenantId, &CredentialId),
        lock_keys: BTreeSet<String>,
    ) -> Result<Guard> {
        let began = crate::clock::monotonic();
        let local = self.local.hold(context, (tenant, credential), &lock_keys).await;
        context.record.note_wait(began.elapsed());
        let local = local?;
        let mut guard = self.shared.hold(context, tenant, credential, lock_keys).await?;
        guard.local = Some(local);
        Ok(guard)
    }
}

#[derive(Clone, Default)]
struct LocalLocks(Arc<Mutex<HeldLocks>>);

struct LocalGuard {
    locks: Arc<Mutex<HeldLocks>>,
    held: Vec<(LockKey, OwnedMutexGuard<Option<Instant>>)>,
}

impl LocalLocks {
    /// Waits for all of `lock_keys` until the deadline. They are taken in sorted order, so that two writers cannot deadlock.
    /// Fails with `gateway_timeout`.
    async fn hold(
        &self,
        context: &CallContext,
        (tenant, credential): (&TenantId, &CredentialId),
        lock_keys: &BTreeSet<String>,
    ) -> Result<LocalGuard> {
        let mut guard = LocalGuard { locks: Arc::clone(&self.0), held: Vec::new() };
        for lock_key in lock_keys {
            let key = (tenant.clone(), credential.clone(), lock_key.clone());
            let lock = Arc::clone(self.0.lock().entry(key.clone()).or_default());
            let held = tokio::time::timeout(context.remaining(), lock.lock_owned()).await;
            let mut held = held.map_err(|_| too_late())?;
            held.get_or_insert_with(crate::clock::monotonic);
            guard.held.push((key, held));
        }
        Ok(guard)
    }
}

impl LocalGuard {
    /// Lets the next writer of this process in, after a pause for other processes if it is their turn.
    async fn hand_on(mut self) {
        let is_long = |(_, since): &(LockKey, OwnedMutexGuard<Option<Instant>>)| {
            since.is_some_and(|since| since.elapsed() > LONGEST_STREAK)
        };
        if self.held.iter().any(is_long) {
            tokio::time::sleep(LONGEST_PAUSE).await;
            for (_, since) in &mut self.held {
                **since = None;
            }
        }
    }
}

impl Drop for LocalGuard {
    fn drop(&mut self) {
        let mut locks = self.locks.lock();
        for (key, held) in self.held.drain(..) {
            drop(held);
            // If only the map has a reference, nobody holds the lock or waits for it.
            if locks.get(&key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
                locks.remove(&key);
            }
        }
    }
}

/// Locks over all processes on one database; clones share everything.
#[derive(Clone)]
pub struct SharedLocks {
    store: LockStore,
    sealer: Arc<Sealer>,
    lease: Duration,
    #[cfg(test)]
    attempts: Arc<std::sync::atomic::AtomicUsize>,
}

/// Held locks. Dropping the guard releases them: those of the database first, so that the next writer of this process finds them
/// free.
pub(in crate::gateway) struct Guard {
    store: LockStore,
    fence: Text,
    /// Whether a lock may have been taken.
    taken: bool,
    lease: Option<Lease>,
    /// The locks of this process, which are released last.
    local: Option<LocalGuard>,
}

impl SharedLocks {
    /// Locks in `store`; `sealer` makes their names unreadable.
    pub fn new(store: &Store, sealer: Arc<Sealer>, limits: Limits) -> Self {
        Self {
            store: store.locks.clone(),
            sealer,
            lease: limits.lease,
            #[cfg(test)]
            attempts: Arc::default(),
        }
    }

    /// The names of a lock key in the database. They are MACs, because the key may be an e-mail address or phone number. There
    /// is one for each known master key, so that processes with different current keys share a name during a rotation.
    fn names(&self, tenant: &TenantId, credential: &CredentialId, lock_key: &str) -> Vec<String> {
        let whole = length_prefixed(&[tenant.as_str(), credential.as_str(), lock_key].map(str::as_bytes));
        self.sealer.macs("write lock", &whole).iter().map(|mac| hex(mac)).collect()
    }

    /// Waits for all of `lock_keys` until the deadline. Fails with `gateway_timeout`, `store_unavailable`.
    async fn hold(
        &self,
        context: &CallContext,
        tenant: &TenantId,
        credential: &CredentialId,
        lock_keys: impl IntoIterator<Item = String>,
    ) -> Result<Guard> {
        let names: BTreeSet<String> =
            lock_keys.into_iter().flat_map(|lock_key| self.names(tenant, credential, &lock_key)).collect();
        let names: Arc<[String]> = names.into_iter().collect();
        loop {
            #[cfg(test)]
            self.attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            // In its own task: if it were cancelled, it would be unknown whether there is something to release.
            let attempt = tokio::spawn(try_lock(self.store.clone(), names.clone(), self.lease));
            let ended = tokio::time::timeout(context.remaining(), attempt).await.map_err(|_| too_late())?;
            let held = ended.map_err(|_| Failure::internal("the task that takes locks ended early"))??;
            if let Some(held) = held {
                return Ok(held);
            }
            let pause = pause()?;
            if context.remaining() <= pause {
                return Err(too_late());
            }
            context.record.note_wait(pause);
            tokio::time::sleep(pause).await;
        }
    }
}

/// Tries once to take the locks. If the caller does not wait for the result, dropping it releases them.
async fn try_lock(store: LockStore, names: Arc<[String]>, time: Duration) -> Result<Option<Guard>> {
    let fence = new_fence()?;
    let mut held =
        Guard { store: store.clone(), fence: fence.clone(), taken: true, lease: None, local: None };
    let requested_at = crate::clock::monotonic();
    held.taken = store.lock(&names, &fence, time).await?;
    if !held.taken {
        return Ok(None);
    }
    // All or none: if another process took one meanwhile, the others protect nothing.
    let all = names.len() as u64;
    held.lease = Some(Lease::keep(time, requested_at, move || {
        let (store, fence) = (store.clone(), fence.clone());
        async move { Ok(store.keep(&fence, time).await? == all) }
    }));
    Ok(Some(held))
}

impl Guard {
    /// Whether the locks are still ours. A process that was stopped for longer than the lease may have lost them.
    pub(in crate::gateway) fn holds(&self) -> bool {
        self.lease.as_ref().is_some_and(Lease::holds)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (store, fence) = (self.store.clone(), self.fence.clone());
        let (lease, local) = (self.lease.take(), self.local.take());
        // Without a runtime, the lease lasts until another process has seen no renewal for one lease time.
        let (true, Ok(runtime)) = (self.taken, tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            if let Some(lease) = lease {
                lease.end().await;
            }
            if store.unlock(&fence).await.is_err() {
                tracing::warn!(
                    "locks in the database could not be released; they are released when their lease ends"
                );
            }
            if let Some(local) = local {
                local.hand_on().await;
            }
        });
    }
}

fn pause() -> Result<Duration> {
    let [chance] = random::<1>()?;
    Ok(SHORTEST_PAUSE + LONGEST_PAUSE.saturating_sub(SHORTEST_PAUSE) * u32::from(chance) / 255)
}

fn too_late() -> Failure {
    let detail = "Another write of the same contact or e-mail address did not end in time. Try again.";
    Failure::new(FailureKind::GatewayTimeout, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::MasterKey;
    use crate::store::tests::{TestPlace, on_postgres};

    fn words(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[tokio::test]
    async fn one_waits_for_the_other_and_nothing_is_left_behind() {
        let (locks, tenant, mine) = (LocalLocks::default(), TenantId::from("t"), CredentialId::from("c"));
        let (all, some) = (words(&["a", "b"]), words(&["b", "c"]));
        let brief = soon(20);
        let first = locks.hold(&brief, (&tenant, &mine), &all).await.unwrap();
        let late = locks.hold(&brief, (&tenant, &mine), &some).await;
        assert_eq!(late.err().unwrap().kind, FailureKind::GatewayTimeout);
        assert!(locks.hold(&brief, (&tenant, &CredentialId::from("other")), &some).await.is_ok());
        assert!(locks.hold(&brief, (&TenantId::from("other"), &mine), &some).await.is_ok());
        drop(first);
        let brief = soon(20);
        drop(locks.hold(&brief, (&tenant, &mine), &some).await.unwrap());
        assert!(locks.0.lock().is_empty());
    }

    /// Writers of one process hand a lock on at once, and still let another process in.
    #[tokio::test]
    async fn writers_of_one_process_hand_a_lock_on_and_let_others_in() {
        let (place, sealer) = (TestPlace::new().await, sealer(&MasterKey::generate().unwrap(), &[]));
        let [one, other] = [Replica::on(&place, &sealer).await, Replica::on(&place, &sealer).await]
            .map(|replica| Locks::new(replica.locks));
        let (tenant, credential) = (TenantId::from("ten_1"), CredentialId::from("cred_1"));
        let started = crate::clock::monotonic();
        let writer = || async {
            let mut turns = 0;
            while started.elapsed() < 3 * LONGEST_STREAK {
                drop(one.hold(&soon(5000), (&tenant, &credential), words(&["a"])).await.unwrap());
                turns += 1;
            }
            turns
        };
        let waits = async {
            tokio::time::sleep(LONGEST_PAUSE).await;
            let mut turns = 0;
            while started.elapsed() < 3 * LONGEST_STREAK {
                drop(other.hold(&soon(5000), (&tenant, &credential), words(&["a"])).await.unwrap());
                turns += 1;
                tokio::time::sleep(5 * LONGEST_PAUSE).await;
            }
            turns
        };
        let (first, second, of_other) = tokio::join!(writer(), writer(), waits);
        // Only the other process makes an attempt fail.
        let attempts = one.shared.attempts.load(std::sync::atomic::Ordering::Relaxed);
        assert!(attempts < (first + second) * 3 / 2, "{attempts} attempts for {first} and {second} turns");
        assert!(of_other > 0);
    }

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

        async fn hold(&self, time: u64, words: &[&str]) -> Result<Guard> {
            self.hold_for("cred_1", time, words).await
        }

        async fn hold_for(&self, credential: &str, time: u64, words: &[&str]) -> Result<Guard> {
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
            |tenant: &str, credential: &str, word| locks.names(&tenant.into(), &credential.into(), word);
        let one = name("t", "c", "canary@example.com");
        assert!(one.len() == 1 && one[0].len() == 64 && !one[0].contains("canary"));
        assert_eq!(one, name("t", "c", "canary@example.com"));
        for other in [
            name("u", "c", "canary@example.com"),
            name("t", "d", "canary@example.com"),
            name("tc", "", "canary@example.com"),
            other.names(&"t".into(), &"c".into(), "canary@example.com"),
        ] {
            assert_ne!(one, other);
        }
    }
}
