//! A bounded cache of loaded values with one load at a time per key. Changes by this process invalidate entries at once.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;

use crate::domain::{Failure, Result};

/// How long a value is used after its load, and the time limit of a load. Their sum is the 5 s within which a change by
/// another process is seen, because a value is as old as the start of its load.
const USED_FOR: Duration = Duration::from_secs(3);
const LOADED_WITHIN: Duration = Duration::from_secs(2);
const SHARDS: usize = 64;

/// Values by key, each for at most 5 s after the start of its load.
pub struct TtlCache<K, V> {
    cache: Cache<K, Loaded<V>>,
    hasher: RandomState,
    /// Counts changes, by a part of the key's hash. A load that began before a change is not used after it.
    changes: [AtomicU64; SHARDS],
}

#[derive(Clone)]
struct Loaded<V> {
    value: V,
    changes: u64,
}

impl<K, V> TtlCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Holds at most `capacity` values; the least used are evicted first.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self {
            cache: Cache::builder().max_capacity(capacity).time_to_live(USED_FOR).build(),
            hasher: RandomState::new(),
            changes: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The value of `key`, from `load` if it is not cached. Concurrent callers share one load. Failures are not cached.
    pub async fn get<F>(&self, key: &K, load: impl Fn() -> F + Send + Sync) -> Result<V>
    where
        F: Future<Output = Result<V>> + Send,
    {
        loop {
            let fresh = async || {
                let changes = self.changes(key).load(Ordering::Acquire);
                let value =
                    tokio::time::timeout(LOADED_WITHIN, load()).await.unwrap_or_else(|_| Err(late()))?;
                Ok(Loaded { value, changes })
            };
            let loaded = match self.cache.get(key).await {
                Some(loaded) => loaded,
                // The future of a load is large, and moka moves it several times.
                None => Box::pin(self.cache.try_get_with_by_ref(key, Box::pin(fresh())))
                    .await
                    .map_err(|failure: std::sync::Arc<Failure>| Failure::clone(&failure))?,
            };
            if loaded.changes == self.changes(key).load(Ordering::Acquire) {
                return Ok(loaded.value);
            }
            self.cache.invalidate(key).await;
        }
    }

    /// Invalidates `key`. Call it after the change was stored.
    pub fn forget(&self, key: &K) {
        self.changes(key).fetch_add(1, Ordering::AcqRel);
    }

    pub fn forget_all(&self) {
        for changes in &self.changes {
            changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn changes(&self, key: &K) -> &AtomicU64 {
        let place = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        &self.changes[place]
    }
}

fn late() -> Failure {
    super::timed_out("The gateway's database did not respond in time. Try again.")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn callers_share_one_load() {
        let recent = TtlCache::new(10);
        let loads = AtomicUsize::new(0);
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(7)
        };
        let all = futures_util::future::join_all((0..50).map(|_| recent.get(&"key", load))).await;
        assert!(all.into_iter().all(|value| value == Ok(7)));
        assert_eq!(recent.get(&"key", load).await, Ok(7));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_was_forgotten_while_it_loaded_is_loaded_again() {
        let recent = TtlCache::new(10);
        let stored = AtomicUsize::new(1);
        let load = || async {
            let value = stored.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok(value)
        };
        let change = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            stored.store(2, Ordering::SeqCst);
            recent.forget(&"key");
        };
        let (early, ()) = tokio::join!(recent.get(&"key", load), change);
        assert_eq!(early, Ok(2));
        stored.store(3, Ordering::SeqCst);
        recent.forget_all();
        assert_eq!(recent.get(&"key", load).await, Ok(3));
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let recent = TtlCache::<&str, u8>::new(10);
        assert!(recent.get(&"key", || async { Err(late()) }).await.is_err());
        assert_eq!(recent.get(&"key", || async { Ok(1) }).await, Ok(1));
    }
}
