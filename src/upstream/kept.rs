//! State that outlives who uses it: kept by a key while somebody uses it or it is not at rest, then forgotten.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// More than this is never kept.
const MOST: usize = 20_000;
/// The first look for what can be forgotten.
const FIRST_SWEEP: usize = 64;

/// Shared values by key. A pause or an open breaker stays, though nobody uses it at the moment.
pub(super) struct Kept<K, V>(Mutex<Map<K, V>>);

struct Map<K, V> {
    values: HashMap<K, Arc<V>>,
    sweep_at: usize,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Map { values: HashMap::new(), sweep_at: FIRST_SWEEP }))
    }
}

impl<K: Hash + Eq, V> Kept<K, V> {
    /// The value of `key`, made where there is none. Where too many are in use, a new one is not kept: who asks is
    /// served, and shares it with nobody.
    pub(super) fn get(&self, key: K, make: impl FnOnce() -> V, at_rest: impl Fn(&V) -> bool) -> Arc<V> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = map.values.get(&key) {
            return Arc::clone(value);
        }
        if map.values.len() >= map.sweep_at {
            map.values.retain(|_, value| Arc::strong_count(value) > 1 || !at_rest(value));
            // Twice as many as are left: each look is paid for by as many that came since.
            map.sweep_at = (map.values.len() * 2).clamp(FIRST_SWEEP, MOST);
        }
        let value = Arc::new(make());
        if map.values.len() < MOST {
            map.values.insert(key, Arc::clone(&value));
        } else {
            tracing::warn!("too many hosts or credentials are in use to remember a further one");
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(kept: &Kept<usize, bool>) -> usize {
        kept.0.lock().unwrap().values.len()
    }

    #[test]
    fn what_is_unused_and_at_rest_is_forgotten_and_nothing_else() {
        let kept: Kept<usize, bool> = Kept::default();
        let get = |key, rests: bool| kept.get(key, || rests, |rests| *rests);
        let used = get(0, true);
        drop(get(1, false));
        for key in 2..10_000 {
            drop(get(key, true));
            assert!(count(&kept) <= FIRST_SWEEP + 1);
        }
        assert!(Arc::ptr_eq(&used, &get(0, false)), "in use");
        assert!(!*get(1, true), "not at rest");
    }

    #[test]
    fn there_is_a_bound_and_beyond_it_everybody_is_served() {
        let kept: Kept<usize, bool> = Kept::default();
        let held: Vec<_> = (0..MOST + 100).map(|key| kept.get(key, || false, |rests| *rests)).collect();
        assert_eq!((held.len(), count(&kept)), (MOST + 100, MOST));
    }
}
