//! A registry of shared state, such as breakers and budgets. A value stays while it is in use or not idle. Each value has an
//! owner, and the number of values per owner is limited. A cache of the library would drop values that are in use.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::TenantId;

/// More than this is never kept.
const MOST: usize = 100_000;
/// More than this is never kept for one tenant.
const MOST_OF_ONE: usize = 2_000;
/// How many new values precede a sweep, at least.
const FIRST_SWEEP: usize = 64;

/// Shared values by key. A pause or an open breaker stays even while it is not in use.
pub(super) struct Registry<K, V>(Mutex<Map<K, V>>);

struct Map<K, V> {
    values: HashMap<K, (TenantId, Arc<V>)>,
    /// How many values each owner has; the next sweep removes owners without values.
    counts: HashMap<TenantId, usize>,
    /// The number of requests for new values until the next sweep.
    sweep_in: usize,
}

impl<K, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Map { values: HashMap::new(), counts: HashMap::new(), sweep_in: FIRST_SWEEP }))
    }
}

impl<K: Hash + Eq, V> Registry<K, V> {
    /// The value of `key`, made for `owner` if there is none. If too many are in use, the new one is returned but not kept,
    /// so it is shared with no other caller.
    pub(super) fn get(
        &self,
        owner: &TenantId,
        key: K,
        make: impl FnOnce() -> V,
        is_idle: impl Fn(&V) -> bool,
    ) -> Arc<V> {
        let mut map = self.0.lock();
        if let Some((_, value)) = map.values.get(&key) {
            return Arc::clone(value);
        }
        map.sweep_in -= 1;
        if map.sweep_in == 0 {
            map.sweep(is_idle);
        }
        let value = Arc::new(make());
        let of_owner = map.counts.get(owner).copied().unwrap_or_default();
        if map.values.len() < MOST && of_owner < MOST_OF_ONE {
            map.counts.insert(owner.clone(), of_owner + 1);
            map.values.insert(key, (owner.clone(), Arc::clone(&value)));
        } else {
            tracing::warn!(
                tenant = %owner,
                "too many hosts or credentials are in use; the state of another one is not kept between calls"
            );
        }
        value
    }
}

impl<K, V> Registry<K, V> {
    /// How many values `counts` holds for.
    pub(super) fn count(&self, counts: impl Fn(&V) -> bool) -> usize {
        self.select(|value| counts(value).then_some(())).len()
    }

    /// What `select` returns of the values.
    pub(super) fn select<T>(&self, select: impl Fn(&V) -> Option<T>) -> Vec<T> {
        self.0.lock().values.values().filter_map(|(_, value)| select(value)).collect()
    }
}

impl<K: Hash + Eq, V> Map<K, V> {
    fn sweep(&mut self, is_idle: impl Fn(&V) -> bool) {
        self.values.retain(|_, (_, value)| Arc::strong_count(value) > 1 || !is_idle(value));
        self.counts.clear();
        for (owner, _) in self.values.values() {
            *self.counts.entry(owner.clone()).or_default() += 1;
        }
        // As many requests as values are left, so that a sweep costs constant time per request.
        self.sweep_in = self.values.len().max(FIRST_SWEEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(kept: &Registry<usize, bool>) -> usize {
        kept.0.lock().values.len()
    }

    #[test]
    fn what_is_unused_and_at_rest_is_forgotten_and_nothing_else() {
        let (kept, owner): (Registry<usize, bool>, _) = (Registry::default(), "ten_1".into());
        let get = |key, rests: bool| kept.get(&owner, key, || rests, |rests| *rests);
        let used = get(0, true);
        drop(get(1, false));
        for key in 2..10_000 {
            drop(get(key, true));
            assert!(count(&kept) <= 2 * FIRST_SWEEP);
        }
        assert!(Arc::ptr_eq(&used, &get(0, false)), "in use");
        assert!(!*get(1, true), "not at rest");
    }

    #[test]
    fn one_owner_takes_its_own_room_alone_and_beyond_it_is_served_all_the_same() {
        let kept: Registry<usize, bool> = Registry::default();
        let get = |owner: &str, key| kept.get(&owner.into(), key, || false, |rests| *rests);
        let held: Vec<_> = (0..3 * MOST_OF_ONE).map(|key| get("ten_1", key)).collect();
        assert_eq!((held.len(), count(&kept)), (3 * MOST_OF_ONE, MOST_OF_ONE));
        let other = get("ten_2", 1_000_000);
        assert!(Arc::ptr_eq(&other, &get("ten_2", 1_000_000)), "there is room for others");
    }

    #[test]
    fn an_owner_has_room_again_once_its_values_rest() {
        let (kept, owner): (Registry<usize, bool>, _) = (Registry::default(), "ten_1".into());
        let get = |key| kept.get(&owner, key, || true, |rests| *rests);
        let held: Vec<_> = (0..MOST_OF_ONE).map(get).collect();
        drop(held);
        // Requests without room lead to the next sweep.
        for key in MOST_OF_ONE..2 * MOST_OF_ONE {
            drop(get(key));
        }
        assert!(Arc::ptr_eq(&get(0), &get(0)));
    }
}
