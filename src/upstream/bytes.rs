//! Limits the bytes of CRM replies and of responses in memory, per tenant and per process.
//!
//! Replies and responses have separate budgets. A request holds its reply while it reserves room for its response, so with
//! a single budget such requests would deadlock.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::registry::Registry;
use crate::config::Limits;
use crate::domain::TenantId;

/// Bodies up to this size are not counted: the limits on requests in flight bound them.
pub const UNCOUNTED: usize = 256 * 1024;

const MIB: usize = 1024 * 1024;

/// The bytes in memory of all tenants; clones share them.
#[derive(Clone)]
pub struct BytesInFlight {
    /// Replies of CRMs, decompressed.
    pub(super) replies: Arc<ByteBudget>,
    /// Responses that are not yet written to their callers.
    pub responses: Arc<ByteBudget>,
}

/// A limit on bytes per tenant, and for all tenants together.
pub struct ByteBudget {
    tenant_most: usize,
    most: usize,
    tenants: Registry<TenantId, Semaphore>,
    all: Arc<Semaphore>,
}

/// Reserved bytes, released when dropped.
#[must_use = "the room is released at once when it is not held"]
pub struct Room {
    bytes: usize,
    tenant: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

impl BytesInFlight {
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let half = |mib: u32| usize::try_from(mib).unwrap_or(usize::MAX).saturating_mul(MIB / 2);
        let budget =
            || Arc::new(ByteBudget::new(half(limits.tenant_in_flight_mib), half(limits.in_flight_mib)));
        Self { replies: budget(), responses: budget() }
    }
}

impl ByteBudget {
    fn new(tenant_most: usize, most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            tenant_most: tenant_most.min(most),
            most,
            tenants: Registry::default(),
            all: Arc::new(Semaphore::new(most)),
        }
    }

    /// Reserves room for `bytes`, all at once: waiting with a part of it could deadlock. Waits in the order of arrival;
    /// `None` if there is no room by `deadline`.
    pub async fn room(&self, tenant: &TenantId, bytes: usize, deadline: Instant) -> Option<Room> {
        let wanted = u32::try_from(bytes.min(self.tenant_most)).ok()?;
        let own = self.tenants.get(tenant, tenant.clone(), || Semaphore::new(self.tenant_most), |_| true);
        let room = async {
            // The tenant's permits first, so that a tenant waits for the process with no more than its share.
            let tenant = own.acquire_many_owned(wanted).await.ok()?;
            let all = Arc::clone(&self.all).acquire_many_owned(wanted).await.ok()?;
            Some(Room { bytes, tenant, all })
        };
        timeout_at(deadline, room).await.ok().flatten()
    }

    pub fn taken(&self) -> usize {
        self.most - self.all.available_permits()
    }
}

impl Room {
    pub fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        for permit in [&mut self.tenant, &mut self.all] {
            // There are fewer permits than `self.bytes` if the request was larger than the tenant's limit.
            drop(permit.split(spare.min(permit.num_permits())));
        }
        self.bytes -= spare;
    }

    /// `bytes`, which hold the room until their last clone or slice is dropped.
    #[must_use]
    pub fn holding(mut self, bytes: Bytes) -> Bytes {
        self.shrink(bytes.len());
        Bytes::from_owner(BytesPermit { bytes, _room: self })
    }
}

struct BytesPermit {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for BytesPermit {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        crate::clock::monotonic() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_its_part_of_the_process_and_gets_back_what_is_dropped() {
        let budget = ByteBudget::new(10, 15);
        let (one, two) = (TenantId::from("ten_1"), TenantId::from("ten_2"));
        let held = budget.room(&one, 10, soon()).await.unwrap().holding(Bytes::from_static(b"12345678"));
        assert_eq!(budget.taken(), 8, "what is not needed is given back");
        assert!(budget.room(&one, 3, soon()).await.is_none(), "the tenant has its part");
        let other = budget.room(&two, 7, soon()).await.unwrap();
        assert!(budget.room(&two, 1, soon()).await.is_none(), "the process has its part");
        let part = held.slice(2..3);
        drop(held);
        assert_eq!(budget.taken(), 15, "a part holds the whole");
        drop(part);
        drop(other);
        assert_eq!(budget.taken(), 0);
        assert!(budget.room(&one, 10, soon()).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gets_room_in_the_order_of_coming_and_leaves_none_taken() {
        let budget = Arc::new(ByteBudget::new(10, 10));
        let tenant = TenantId::from("ten_1");
        let held = budget.room(&tenant, 6, soon()).await.unwrap();
        let (waiting, own) = (Arc::clone(&budget), tenant.clone());
        let large = tokio::spawn(async move { waiting.room(&own, 10, soon()).await.is_some() });
        tokio::task::yield_now().await;
        assert!(
            budget.room(&tenant, 1, crate::clock::monotonic()).await.is_none(),
            "the large one is not overtaken"
        );
        drop(held);
        assert!(large.await.unwrap());
        assert_eq!(budget.taken(), 0);
    }
}
