//! A limit on concurrent work of each key, such as a tenant. A key without work takes no memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits of each key. A permit is released when it is dropped.
pub struct KeyedPermits<K> {
    most: usize,
    /// Alive while somebody holds a permit or waits for one.
    semaphores: Mutex<HashMap<K, Weak<Semaphore>>>,
}

/// As many permits as a limit of the configuration allows; `None` is unlimited.
pub fn at_most(limit: Option<u32>) -> usize {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(Semaphore::MAX_PERMITS);
    limit.min(Semaphore::MAX_PERMITS)
}

impl<K: Hash + Eq + Clone> KeyedPermits<K> {
    /// Allows each key `most` permits.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, semaphores: Mutex::default() }
    }

    /// Takes a permit, if one is free.
    pub fn try_take(&self, key: &K) -> Option<OwnedSemaphorePermit> {
        self.of(key).try_acquire_owned().ok()
    }

    /// Waits for a permit. It is never `None`: no semaphore is closed.
    pub async fn take(&self, key: &K) -> Option<OwnedSemaphorePermit> {
        self.of(key).acquire_owned().await.ok()
    }

    /// The most permits that one key holds.
    pub fn most_held(&self) -> usize {
        let semaphores = self.semaphores.lock();
        let held = semaphores.values().filter_map(Weak::upgrade);
        held.map(|semaphore| self.most - semaphore.available_permits()).max().unwrap_or_default()
    }

    fn of(&self, key: &K) -> Arc<Semaphore> {
        let mut semaphores = self.semaphores.lock();
        if let Some(semaphore) = semaphores.get(key).and_then(Weak::upgrade) {
            return semaphore;
        }
        // Before the map would grow, so that it grows only with the keys that have work.
        if semaphores.len() == semaphores.capacity() {
            semaphores.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(self.most));
        semaphores.insert(key.clone(), Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_key_has_permits_of_its_own_and_a_waiting_one_gets_the_next() {
        let permits = KeyedPermits::new(2);
        let held = [permits.try_take(&"a").unwrap(), permits.try_take(&"a").unwrap()];
        let _other = permits.try_take(&"c").unwrap();
        assert_eq!(permits.most_held(), 2);
        assert!(permits.try_take(&"a").is_none() && permits.try_take(&"b").is_some());
        let waiting = permits.take(&"a");
        let (waited, ()) = tokio::join!(waiting, async { drop(held) });
        assert!(waited.is_some() && permits.try_take(&"a").is_some());
    }

    #[test]
    fn keys_without_work_leave_nothing_behind() {
        let permits = KeyedPermits::new(1);
        let held = permits.try_take(&0).unwrap();
        for key in 1..100_000 {
            drop(permits.try_take(&key));
        }
        assert!(permits.semaphores.lock().capacity() < 100);
        assert!(permits.try_take(&0).is_none(), "in use");
        drop(held);
        assert!(permits.try_take(&0).is_some());
    }

    #[test]
    fn without_a_limit_all_are_let_in() {
        let permits = KeyedPermits::new(at_most(None));
        let held: Vec<_> = (0..10_000).map(|_| permits.try_take(&"a").unwrap()).collect();
        assert_eq!(held.len(), 10_000);
    }
}
