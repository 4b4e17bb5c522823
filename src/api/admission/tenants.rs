//! The requests in flight of each tenant. A tenant without requests takes no memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::TenantId;

type Inside = Arc<Mutex<HashMap<TenantId, u32>>>;

/// A limit on the concurrent requests of each tenant.
pub(super) struct TenantLimits {
    most: Option<u32>,
    inside: Inside,
}

/// A permit for one request of a tenant, released when dropped.
pub(super) struct TenantPermit {
    inside: Inside,
    tenant: TenantId,
}

impl TenantLimits {
    /// Allows each tenant `most` requests; `None` is unlimited.
    pub(super) fn new(most: Option<u32>) -> Self {
        Self { most, inside: Inside::default() }
    }

    /// Takes a permit of the tenant, if one is free.
    pub(super) fn take(&self, tenant: &TenantId) -> Option<TenantPermit> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = inside.get(tenant).copied().unwrap_or_default();
        if self.most.is_some_and(|most| taken >= most) {
            return None;
        }
        inside.insert(tenant.clone(), taken + 1);
        Some(TenantPermit { inside: Arc::clone(&self.inside), tenant: tenant.clone() })
    }
}

impl Drop for TenantPermit {
    fn drop(&mut self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.get_mut(&self.tenant) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(inside.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_places_of_its_own_and_leaves_nothing_behind() {
        let tenants = TenantLimits::new(Some(2));
        let (one, other) = (TenantId::from("ten_1"), TenantId::from("ten_2"));
        let held = [tenants.take(&one).unwrap(), tenants.take(&one).unwrap()];
        assert!(tenants.take(&one).is_none());
        let another = tenants.take(&other).unwrap();
        drop(held);
        assert!(tenants.take(&one).is_some());
        drop(another);
        assert!(tenants.inside.lock().unwrap().is_empty());
    }
}
