//! Adapters in use, cached per tenant while their credential does not change. A tenant with many credentials evicts only its
//! own adapters. moka has no such share per tenant, so this cache is written by hand.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::ConnectedCredential;
use crate::domain::{CredentialId, TenantId};
use crate::store::CredentialRecord;

/// How long an unused adapter, with its secret, stays in memory.
const UNUSED_FOR: Duration = Duration::from_mins(15);
/// How often unused adapters are removed.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const MOST_OF_ONE: usize = 1_000;
/// The most adapters of all tenants. Beyond that, the tenant with the most loses one.
const MOST: usize = 20_000;

type TenantPart<T> = HashMap<CredentialId, CachedAdapter<T>>;

/// Adapters by credential, each with the record that it was made of.
pub(super) struct AdapterCache<T = ConnectedCredential>(Mutex<CacheParts<T>>);

struct CacheParts<T> {
    by_tenant: HashMap<TenantId, TenantPart<T>>,
    count: usize,
    swept: Instant,
}

struct CachedAdapter<T> {
    record: CredentialRecord,
    opened: T,
    used: Instant,
}

impl<T> Default for AdapterCache<T> {
    fn default() -> Self {
        Self(Mutex::new(CacheParts { by_tenant: HashMap::new(), count: 0, swept: crate::clock::monotonic() }))
    }
}

impl<T: Clone> AdapterCache<T> {
    /// The adapter of an equal record.
    pub(super) fn get(&self, record: &CredentialRecord) -> Option<T> {
        let mut parts = self.0.lock();
        let kept = parts.by_tenant.get_mut(&record.tenant)?.get_mut(&record.id);
        let kept = kept.filter(|kept| has_same_connection(&kept.record, record))?;
        kept.used = crate::clock::monotonic();
        Some(kept.opened.clone())
    }

    /// Adds the adapter of `record`, and replaces an earlier one.
    pub(super) fn keep(&self, record: CredentialRecord, opened: T) {
        let (tenant, id, now) = (record.tenant.clone(), record.id.clone(), crate::clock::monotonic());
        let mut parts = self.0.lock();
        parts.sweep(now);
        parts.remove(&tenant, &id);
        if parts.by_tenant.get(&tenant).is_some_and(|part| part.len() >= MOST_OF_ONE) {
            parts.remove_oldest(&tenant);
        } else if parts.count >= MOST
            && let Some(largest) = parts.largest()
        {
            parts.remove_oldest(&largest);
        }
        parts.by_tenant.entry(tenant).or_default().insert(id, CachedAdapter { record, opened, used: now });
        parts.count += 1;
    }

    pub(super) fn forget(&self, tenant: &TenantId, id: &CredentialId) {
        self.0.lock().remove(tenant, id);
    }

    pub(super) fn forget_all(&self) {
        let mut parts = self.0.lock();
        parts.by_tenant.clear();
        parts.count = 0;
    }
}

impl<T> CacheParts<T> {
    fn remove(&mut self, tenant: &TenantId, id: &CredentialId) {
        let Some(part) = self.by_tenant.get_mut(tenant) else { return };
        self.count -= usize::from(part.remove(id).is_some());
        if part.is_empty() {
            self.by_tenant.remove(tenant);
        }
    }

    fn remove_oldest(&mut self, tenant: &TenantId) {
        let oldest = self
            .by_tenant
            .get(tenant)
            .and_then(|part| part.iter().min_by_key(|(_, kept)| kept.used).map(|(id, _)| id.clone()));
        if let Some(id) = oldest {
            self.remove(tenant, &id);
        }
    }

    fn largest(&self) -> Option<TenantId> {
        self.by_tenant.iter().max_by_key(|(_, part)| part.len()).map(|(tenant, _)| tenant.clone())
    }

    /// Removes adapters that were unused for long, of all tenants.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        for part in self.by_tenant.values_mut() {
            part.retain(|_, kept| now.saturating_duration_since(kept.used) < UNUSED_FOR);
        }
        self.by_tenant.retain(|_, part| !part.is_empty());
        self.count = self.by_tenant.values().map(HashMap::len).sum();
    }
}

/// Whether both records lead to the same adapter. Their other fields do not affect the connection to the CRM.
fn has_same_connection(one: &CredentialRecord, other: &CredentialRecord) -> bool {
    let way = |record: &CredentialRecord| {
        (record.provider.clone(), record.settings.clone(), record.base_url.clone())
    };
    way(one) == way(other) && one.secret == other.secret
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::store::now;

    fn record(tenant: usize, credential: usize) -> CredentialRecord {
        CredentialRecord {
            id: format!("cred_{credential}").as_str().into(),
            tenant: format!("ten_{tenant}").as_str().into(),
            provider: "fake".into(),
            name: "any".into(),
            settings: "{}".into(),
            base_url: "https://crm.example.com".into(),
            secret: Vec::new(),
            revision: 1,
            created_at: now(),
            updated_at: now(),
            last_check: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_credentials_of_one_tenant_push_out_its_own_adapters_alone() {
        let cache = AdapterCache::default();
        cache.keep(record(2, 0), "honest");
        for credential in 0..10_150 {
            cache.keep(record(1, credential), "attacker");
            advance(Duration::from_millis(1)).await;
            // The one that is used stays.
            assert!(cache.get(&record(1, 0)).is_some());
        }
        assert_eq!(cache.get(&record(2, 0)), Some("honest"));
        assert_eq!(cache.0.lock().by_tenant[&"ten_1".into()].len(), MOST_OF_ONE);
        assert_eq!(cache.0.lock().count, MOST_OF_ONE + 1);
        assert!(cache.get(&record(1, 10_149)).is_some() && cache.get(&record(1, 1)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_parts_are_full_the_largest_gives_up_its_oldest() {
        let cache = AdapterCache::default();
        cache.keep(record(0, 0), "small");
        for tenant in 1..=MOST / MOST_OF_ONE {
            for credential in 0..MOST_OF_ONE {
                cache.keep(record(tenant, credential), "large");
            }
        }
        cache.keep(record(99, 0), "new");
        assert_eq!(cache.0.lock().count, MOST);
        assert_eq!((cache.get(&record(0, 0)), cache.get(&record(99, 0))), (Some("small"), Some("new")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_for_fifteen_minutes_is_forgotten_and_what_changed_does_not_count() {
        let cache = AdapterCache::default();
        cache.keep(record(1, 0), 1);
        let changed = CredentialRecord { settings: r#"{"a":1}"#.into(), ..record(1, 0) };
        assert_eq!((cache.get(&changed), cache.get(&record(1, 0))), (None, Some(1)));
        advance(UNUSED_FOR).await;
        cache.keep(record(2, 0), 2);
        assert_eq!((cache.get(&record(1, 0)), cache.0.lock().count), (None, 1));
        cache.forget(&"ten_2".into(), &"cred_0".into());
        assert_eq!((cache.get(&record(2, 0)), cache.0.lock().count), (None, 0));
    }
}
