//! The audit with an unavailable database, and with callers who disconnect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Action, Audit};
use crate::domain::{Actor, Failure, FailureKind, Principal, Result, TenantId, Timestamp};
use crate::sealing::{MasterKey, Sealer};
use crate::store::{AuditQuery, AuditRecord, AuditStore};

/// A store that fails a number of times, then works.
#[derive(Default)]
struct Flaky {
    failures: AtomicU32,
    kept: Mutex<Vec<AuditRecord>>,
    erased: Mutex<Vec<u32>>,
}

#[async_trait]
impl AuditStore for Flaky {
    async fn excessive(&self) -> Result<Vec<(TenantId, u64)>> {
        Ok(Vec::new())
    }
    async fn erase_oldest(&self, _: &TenantId, _: u32) -> Result<u64> {
        Ok(0)
    }
    async fn append(&self, record: &AuditRecord) -> Result<()> {
        let fails = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            return Err(Failure::new(FailureKind::StoreUnavailable, "away"));
        }
        self.kept.lock().push(record.clone());
        Ok(())
    }

    async fn append_many(&self, _: &[AuditRecord]) -> Result<()> {
        unreachable!()
    }

    async fn list(&self, _: &AuditQuery) -> Result<Vec<AuditRecord>> {
        unreachable!()
    }

    async fn erase_before(&self, _: Timestamp, limit: u32) -> Result<u64> {
        let mut erased = self.erased.lock();
        erased.push(limit);
        Ok(if erased.len() < 3 { u64::from(limit) } else { 7 })
    }
}

fn audit(failures: u32) -> (Audit, Arc<Flaky>) {
    let store = Arc::new(Flaky { failures: failures.into(), ..Flaky::default() });
    let sealer = Arc::new(Sealer::new(&MasterKey::generate().unwrap()).unwrap());
    (Audit::new(store.clone(), sealer), store)
}

fn actor() -> Actor {
    Actor { principal: Principal::Key("key_1".into()), request_id: Some("req".into()) }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_stored_leaves_the_write_done() {
    for (failures, kept) in [(0, 1), (1, 1), (2, 1), (1000, 0)] {
        let (audit, store) = audit(failures);
        let entry = audit.begin(&actor(), Action::ContactCreate, None);
        assert_eq!(entry.end(Ok(7)).await, Ok(7));
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(store.kept.lock().len(), kept, "after {failures} failures");
    }
}

#[tokio::test]
async fn whoever_leaves_before_the_end_leaves_a_record() {
    let (audit, store) = audit(0);
    let entry =
        audit.begin(&actor(), Action::ContactUpdate, None).on("con_1").giving(vec!["lastName".into()]);
    let write = tokio::spawn(async move { entry.end(std::future::pending::<Result<()>>().await).await });
    tokio::task::yield_now().await;
    write.abort();
    let _ = write.await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let record = store.kept.lock()[0].clone();
    assert_eq!((record.outcome.as_str(), record.target.as_deref()), ("cut_off", Some("con_1")));
    assert_eq!((record.actor_kind.as_str(), record.fields.len()), ("key", 1));
}

#[tokio::test(start_paused = true)]
async fn old_records_end_in_small_steps() {
    let (audit, store) = audit(0);
    assert_eq!(audit.erase_before(Timestamp::UNIX_EPOCH).await, Ok(1007));
    assert_eq!(*store.erased.lock(), [500; 3]);
}

#[tokio::test]
async fn what_is_no_id_is_no_target() {
    let (audit, store) = audit(0);
    for id in ["ada@example.com", "+1 416", "", &"x".repeat(129)] {
        audit.begin(&actor(), Action::ContactDelete, None).on(id).end(Ok(())).await.unwrap();
    }
    assert!(store.kept.lock().iter().all(|record| record.target.is_none()));
}
