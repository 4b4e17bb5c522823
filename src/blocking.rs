//! CPU-bound work on large bodies, kept off the runtime's worker threads.
//!
//! Decoding, comparing and rendering take linear time, but 5 MB still block a worker thread for tens of milliseconds. So
//! work on more than 256 KiB takes one of as many permits as there are cores, and runs in `block_in_place`: the runtime
//! moves the thread's other tasks to another thread. `spawn_blocking` does not fit, because the work borrows its input and
//! must end with its request.
//!
//! A tenant gets at most half of the permits, so that tenants take turns however many requests one of them sends.

use std::num::NonZero;
use std::sync::LazyLock;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::domain::{CallContext, Failure, FailureKind, Result, TenantId};
use crate::permits::KeyedPermits;

/// Work on up to this many bytes runs immediately, without a permit.
pub const LARGE: usize = 256 * 1024;

/// One permit per core, for the whole process: more concurrent work would only slow everything down.
static CORES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// The permits of each tenant. The gateway's own work counts as one more tenant.
static TENANTS: LazyLock<KeyedPermits<Option<TenantId>>> =
    LazyLock::new(|| KeyedPermits::new((cores() / 2).max(1)));

struct Permits {
    _of_tenant: Option<OwnedSemaphorePermit>,
    _core: Option<SemaphorePermit<'static>>,
}

/// Waits for the permits; the semaphores are never closed.
async fn permits(tenant: Option<&TenantId>) -> Permits {
    // The tenant's permit first, so that a request that waits for a core holds only permits of its own tenant.
    let of_tenant = TENANTS.take(&tenant.cloned()).await;
    Permits { _of_tenant: of_tenant, _core: CORES.acquire().await.ok() }
}

/// Runs `work` on about `bytes` bytes. Fails with `overloaded` if large work gets no permit before the deadline.
pub async fn within<T>(context: &CallContext, bytes: usize, work: impl FnOnce() -> T) -> Result<T> {
    until(context.deadline, context.tenant.as_ref(), bytes, work).await
}

/// The same for a request of `tenant`.
pub async fn until<T>(
    deadline: Instant,
    tenant: Option<&TenantId>,
    bytes: usize,
    work: impl FnOnce() -> T,
) -> Result<T> {
    if bytes <= LARGE {
        return Ok(work());
    }
    let _permits = tokio::time::timeout_at(deadline, permits(tenant)).await.map_err(|_| {
        let detail =
            "The gateway was busy with other large bodies until the deadline of this request. Try again.";
        Failure::new(FailureKind::Overloaded, detail)
    })?;
    Ok(in_place(work))
}

/// The same without a deadline: for work after a write was sent, which must not fail.
pub async fn however_late<T>(context: &CallContext, bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes <= LARGE {
        return work();
    }
    let _permits = permits(context.tenant.as_ref()).await;
    in_place(work)
}

/// `block_in_place` panics in a runtime of one thread, which tests use.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::*;

    fn in_ms(millis: u64) -> CallContext {
        CallContext::within(Duration::from_millis(millis), "test".into())
    }

    /// The same of a tenant that no other test has.
    fn of(tenant: &str) -> CallContext {
        in_ms(60_000).of(&tenant.into())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_only_thread_serves_others_while_large_work_is_done() {
        let (ended, end) = channel();
        let large =
            tokio::spawn(
                async move { within(&of("ten_only"), LARGE + 1, move || end.recv().unwrap()).await },
            );
        // The work ends only when another task has run on the only worker thread.
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            ended.send(7).unwrap();
        });
        assert_eq!(large.await.unwrap().unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_finds_no_place_is_refused_at_the_deadline_but_for_small_work_and_what_must_be_done() {
        let all = CORES.acquire_many(u32::try_from(cores()).unwrap()).await.unwrap();
        let refused = within(&in_ms(50), LARGE + 1, || ()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Overloaded);
        assert!(within(&in_ms(0), LARGE, || ()).await.is_ok());
        let late = tokio::spawn(async { however_late(&in_ms(60_000), LARGE + 1, || 7).await });
        assert!(within(&in_ms(50), LARGE + 1, || ()).await.is_err());
        assert!(!late.is_finished());
        drop(all);
        assert_eq!(late.await.unwrap(), 7);
        assert!(within(&in_ms(60_000), LARGE + 1, || ()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_take_turns_however_many_requests_one_of_them_has() {
        let all = CORES.acquire_many(u32::try_from(cores()).unwrap()).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let ask = |tenant: &'static str| {
            let order = order.clone();
            tokio::spawn(async move {
                within(&of(tenant), LARGE + 1, || order.lock().push(tenant)).await.unwrap();
            })
        };
        let mut tasks: Vec<_> = (0..20).map(|_| ask("ten_many")).collect();
        tokio::task::yield_now().await;
        tasks.push(ask("ten_one"));
        tokio::task::yield_now().await;
        drop(all);
        for task in tasks {
            task.await.unwrap();
        }
        let place = order.lock().iter().position(|tenant| *tenant == "ten_one").unwrap();
        assert!(place <= (cores() / 2).max(1) + 1, "after {place} of the others");
    }
}
