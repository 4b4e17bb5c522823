//! Adapters in use, kept while their credential stays as it is: a login's session lives in its adapter.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Opened;
use crate::domain::{CredentialId, TenantId};
use crate::store::CredentialRecord;

/// How long an adapter that nobody uses, and the secret in it, stays in memory.
const UNUSED_FOR: Duration = Duration::from_mins(15);
const MOST: usize = 10_000;

type Key = (TenantId, CredentialId);

/// Adapters by credential, each with the stored record that it was made of.
#[derive(Default)]
pub(super) struct Connected(Mutex<HashMap<Key, Kept>>);

struct Kept {
    record: CredentialRecord,
    opened: Opened,
    used: Instant,
}

impl Connected {
    /// The adapter that was made of a record that said the same.
    pub(super) fn get(&self, record: &CredentialRecord) -> Option<Opened> {
        let mut all = self.all();
        let kept = all.get_mut(&key(record)).filter(|kept| says_the_same(&kept.record, record))?;
        kept.used = Instant::now();
        Some(kept.opened.clone())
    }

    /// Keeps the adapter of `record` in the place of an earlier one.
    pub(super) fn keep(&self, record: CredentialRecord, opened: Opened) {
        let mut all = self.all();
        all.retain(|_, kept| kept.used.elapsed() < UNUSED_FOR);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key(&record), Kept { record, opened, used: Instant::now() });
    }

    pub(super) fn forget(&self, key: &Key) {
        self.all().remove(key);
    }

    pub(super) fn forget_all(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(record: &CredentialRecord) -> Key {
    (record.tenant.clone(), record.id.clone())
}

/// Whether both lead to the same adapter; the rest of a record says nothing of the way to the CRM.
fn says_the_same(one: &CredentialRecord, other: &CredentialRecord) -> bool {
    let way = |record: &CredentialRecord| {
        (record.provider.clone(), record.settings.clone(), record.base_url.clone())
    };
    way(one) == way(other) && one.secret == other.secret
}
