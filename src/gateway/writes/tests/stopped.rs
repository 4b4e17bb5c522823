//! Leases on a machine that was stopped, or whose database answers late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{advance, sleep};

use super::house::{TestLedger, evidence};
use super::run;
use crate::domain::{Failure, FailureKind, Result, TenantId, Text};
use crate::gateway::writes::Lease;
use crate::store::{Advance, HeldLease, IdempotencyRecord, IdempotencyStore, Reservation, Stage};

const LEASE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
enum Says {
    Yes,
    No,
    Nothing,
    Fails,
}

/// A lease whose renewals the database answers with `says`, and how often it was asked.
fn lease(says: Says) -> (Lease, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let lease = Lease::keep(LEASE, crate::clock::monotonic(), move || {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            match says {
                Says::Yes => Ok(true),
                Says::No => Ok(false),
                Says::Nothing => std::future::pending().await,
                Says::Fails => Err(Failure::new(FailureKind::StoreUnavailable, "gone")),
            }
        }
    });
    (lease, asked)
}

#[tokio::test(start_paused = true)]
async fn a_lease_lasts_as_long_as_it_is_renewed() {
    for (says, holds, times) in
        [(Says::Yes, true, 30), (Says::No, false, 1), (Says::Nothing, false, 1), (Says::Fails, false, 30)]
    {
        let (lease, asked) = lease(says);
        sleep(LEASE * 19 / 30).await;
        assert_eq!(lease.holds(), !matches!(says, Says::No), "one renewal may fail");
        sleep(LEASE * 281 / 30 + Duration::from_millis(1)).await;
        assert_eq!(lease.holds(), holds);
        assert_eq!(asked.load(Ordering::Relaxed), times);
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_for_longer_does_not_believe_in_its_lease() {
    let (stopped, _) = lease(Says::Nothing);
    assert!(stopped.holds());
    // Nothing of this process runs meanwhile, no renewal either.
    advance(LEASE).await;
    assert!(!stopped.holds());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_lease_ends_its_renewal() {
    let (ended, asked) = lease(Says::Yes);
    ended.end().await;
    let (dropped, also_asked) = lease(Says::Yes);
    drop(dropped);
    sleep(LEASE * 3).await;
    assert_eq!((asked.load(Ordering::Relaxed), also_asked.load(Ordering::Relaxed)), (0, 0));
}

/// A database that does what it is told, and whose answers take longer than a lease.
struct Late(Arc<dyn IdempotencyStore>, Duration);

#[async_trait]
impl IdempotencyStore for Late {
    async fn reserve(&self, record: &IdempotencyRecord, lease: Duration) -> Result<Reservation> {
        self.0.reserve(record, lease).await
    }
    async fn take_over(
        &self,
        held: &IdempotencyRecord,
        fence: &Text,
        lease: Duration,
    ) -> Result<Option<IdempotencyRecord>> {
        self.0.take_over(held, fence, lease).await
    }
    async fn renew(&self, _: &TenantId, _: &str, _: &str, _: Duration) -> Result<bool> {
        std::future::pending().await
    }
    async fn advance(&self, tenant: &TenantId, key: &str, fence: &str, to: &Advance<'_>) -> Result<bool> {
        let done = self.0.advance(tenant, key, fence, to).await;
        sleep(self.1).await;
        done
    }
    async fn postpone(&self, tenant: &TenantId, key: &str, fence: &str, pause: Duration) -> Result<bool> {
        self.0.postpone(tenant, key, fence, pause).await
    }
    async fn remove(&self, tenant: &TenantId, key: &str, fence: &str) -> Result<bool> {
        self.0.remove(tenant, key, fence).await
    }
    async fn unsettled(&self, limit: u32) -> Result<Vec<IdempotencyRecord>> {
        self.0.unsettled(limit).await
    }
    async fn held(&self, limit: u32) -> Result<Vec<HeldLease>> {
        self.0.held(limit).await
    }
    async fn end_lease(&self, lease: &HeldLease) -> Result<bool> {
        self.0.end_lease(lease).await
    }
    async fn end_leases(&self) -> Result<u64> {
        self.0.end_leases().await
    }
    async fn erase_expired(&self, limit: u32) -> Result<u64> {
        self.0.erase_expired(limit).await
    }
}

#[tokio::test]
async fn what_the_database_said_too_long_ago_is_not_sent_on() {
    let mut house = TestLedger::new().await;
    for (late, kind) in
        [(Duration::ZERO, None), (Duration::from_millis(2500), Some(FailureKind::IdempotencyInProgress))]
    {
        let ledger = house.store.idempotency.clone();
        house.store.idempotency = Arc::new(Late(ledger, late));
        let key = format!("{late:?}");
        let mut attempt = run(&house.with_lease(Duration::from_secs(2)), &house, &key, "asked").await;
        let sent = attempt.sending(Some(evidence())).await;
        assert_eq!(sent.err().map(|failure| failure.kind), kind);
        // It may have been: whoever comes next looks.
        assert_eq!(super::raw(&house, &key).await.stage, Stage::Sending);
    }
}
