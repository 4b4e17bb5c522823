//! Limits the concurrent requests of one credential, with a short queue in which interactive requests come before background
//! jobs. tokio's `Semaphore` has no priorities, so the queue is written by hand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::config::Limits;
use crate::domain::{CallContext, Failure, FailureKind, Priority, Result};

/// The longest wait for a permit.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

pub(super) struct ConcurrencyLimit {
    /// `None` is unlimited.
    most: Option<usize>,
    most_waiting: usize,
    /// The limit on requests, including those that wait.
    visits: Arc<Semaphore>,
    most_visits: usize,
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    taken: usize,
    interactive: VecDeque<oneshot::Sender<Permit>>,
    background: VecDeque<oneshot::Sender<Permit>>,
}

/// A permit for one concurrent request of a credential; released when dropped.
#[must_use = "the permit is released at once when it is not held"]
pub struct Permit(Arc<ConcurrencyLimit>);

/// A request on a credential, also while it waits. It counts until it is dropped.
#[must_use = "the request stops counting when this is dropped"]
pub struct Visit(
    Arc<ConcurrencyLimit>,
    #[expect(dead_code, reason = "it is held, not used")] OwnedSemaphorePermit,
);

impl ConcurrencyLimit {
    /// The limit of one credential under `limits`: at most half of its tenant's requests.
    pub(super) fn new(limits: &Limits) -> Self {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let most_visits = limits.tenant_in_flight.map(|most| number(most / 2).max(1));
        let most_visits = most_visits.unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            most: limits.credential_in_flight.map(number),
            most_waiting: number(limits.credential_waiting),
            visits: Arc::new(Semaphore::new(most_visits)),
            most_visits,
            state: Mutex::default(),
        }
    }

    /// Counts a request. Fails with `too_many_concurrent_requests` at the limit.
    pub(super) fn visit(limit: &Arc<Self>) -> Result<Visit> {
        let permit = Arc::clone(&limit.visits).try_acquire_owned().map_err(|_| full())?;
        Ok(Visit(Arc::clone(limit), permit))
    }

    /// Takes a permit, after a short wait if necessary. Fails with `too_many_concurrent_requests`.
    async fn take(self: &Arc<Self>, context: &CallContext) -> Result<Permit> {
        let turn = {
            let mut state = self.state.lock();
            if self.most.is_none_or(|most| state.taken < most) {
                state.taken += 1;
                return Ok(Permit(Arc::clone(self)));
            }
            state.queue(context.priority, self.most_waiting).ok_or_else(full)?
        };
        let began = crate::clock::monotonic();
        let turn = tokio::time::timeout(LONGEST_WAIT.min(context.remaining()), turn).await;
        context.record.note_wait(began.elapsed());
        match turn {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().taken == 0 && self.visits.available_permits() == self.most_visits
    }
}

impl QueueState {
    /// A position in the queue. If the queue is full, an interactive request replaces the last job.
    fn queue(&mut self, priority: Priority, most: usize) -> Option<oneshot::Receiver<Permit>> {
        self.interactive.retain(|turn| !turn.is_closed());
        self.background.retain(|turn| !turn.is_closed());
        if self.interactive.len() + self.background.len() >= most {
            let replaced = if priority == Priority::Interactive { self.background.pop_back() } else { None };
            replaced?;
        }
        let (turn, waiting) = oneshot::channel();
        match priority {
            Priority::Interactive => self.interactive.push_back(turn),
            Priority::Bulk => self.background.push_back(turn),
        }
        Some(waiting)
    }
}

impl Visit {
    /// Takes a permit within 250 ms, interactive requests first. Fails with `too_many_concurrent_requests`.
    pub async fn enter(&self, context: &CallContext) -> Result<Permit> {
        self.0.take(context).await
    }
}

impl Drop for Permit {
    /// Passes the permit to the next request that still waits. If that one stops waiting at the same time, the permit that was
    /// sent to it is dropped in turn, after the lock is released.
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state.lock();
            let next = loop {
                match state.interactive.pop_front().or_else(|| state.background.pop_front()) {
                    Some(left) if left.is_closed() => {}
                    next => break next,
                }
            };
            if next.is_none() {
                state.taken -= 1;
            }
            next
        };
        if let Some(turn) = next {
            drop(turn.send(Self(Arc::clone(&self.0))));
        }
    }
}

fn full() -> Failure {
    let detail =
        "This credential has reached its limit of concurrent requests. Try again when one has ended.";
    Failure::new(FailureKind::TooManyConcurrentRequests, detail)
        .with_retry_after(Some(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn soon() -> CallContext {
        CallContext::within(Duration::from_secs(10), "test".into())
    }

    fn bounded(credential_in_flight: Option<u32>, credential_waiting: u32) -> ConcurrencyLimit {
        ConcurrencyLimit::new(&Limits {
            credential_in_flight,
            credential_waiting,
            tenant_in_flight: None,
            ..Limits::default()
        })
    }

    #[test]
    fn a_credential_never_has_more_than_half_of_its_tenants_requests() {
        for (tenant, credential) in [(64, 32), (65, 32), (3, 1), (2, 1), (1, 1)] {
            let limits = Limits { tenant_in_flight: Some(tenant), ..Limits::default() };
            let places = Arc::new(ConcurrencyLimit::new(&limits));
            let mut visits: Vec<Visit> =
                (0..credential).map(|_| ConcurrencyLimit::visit(&places).unwrap()).collect();
            let failure = ConcurrencyLimit::visit(&places).err().unwrap();
            assert_eq!(failure.kind, FailureKind::TooManyConcurrentRequests);
            assert!(!places.is_idle());
            visits.pop();
            assert!(ConcurrencyLimit::visit(&places).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_no_place_waits_a_moment_and_is_refused() {
        let places = Arc::new(bounded(Some(2), 1));
        let first = places.take(&soon()).await.unwrap();
        let _second = places.take(&soon()).await.unwrap();
        let began = crate::clock::monotonic();
        let (waits, refused) = tokio::join!(
            async {
                let outcome = places.take(&soon()).await;
                (outcome.map(|_| ()), began.elapsed())
            },
            async {
                let outcome = places.take(&soon()).await;
                (outcome.map(|_| ()), began.elapsed())
            }
        );
        assert!(waits.1 >= LONGEST_WAIT && waits.1 < LONGEST_WAIT * 2, "{waits:?}");
        assert_eq!(refused.1, Duration::ZERO, "the queue was full");
        for failure in [waits.0.unwrap_err(), refused.0.unwrap_err()] {
            assert_eq!(failure.kind, FailureKind::TooManyConcurrentRequests);
            assert_eq!(failure.retry_after, Some(Duration::from_secs(1)));
        }
        drop(first);
        assert!(places.take(&soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_goes_to_interactive_first_and_never_gets_lost() {
        let places = Arc::new(bounded(Some(1), 3));
        let held = places.take(&soon()).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let wait = |name: &'static str, context: CallContext| {
            let (places, order) = (places.clone(), order.clone());
            tokio::spawn(async move {
                let place = places.take(&context).await;
                order.lock().push((name, place.is_ok()));
            })
        };
        let mut tasks = Vec::new();
        for (name, context) in [
            ("job", soon().as_background()),
            ("late job", soon().as_background()),
            ("first", soon()),
            ("second", soon()),
        ] {
            tasks.push(wait(name, context));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Whoever is next leaves: the place must reach those behind.
        let gone = tokio::time::timeout(Duration::from_millis(1), places.take(&soon())).await;
        assert!(gone.is_err());
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        // The last job gave its turn to a person who came to a full queue, the other to the one who left.
        let order = order.lock().clone();
        assert_eq!(order, [("late job", false), ("job", false), ("first", true), ("second", true)]);
        assert!(places.is_idle());
    }

    #[tokio::test]
    async fn without_a_bound_there_is_always_a_place() {
        let places = Arc::new(bounded(None, 0));
        let mut held = Vec::new();
        for _ in 0..1000 {
            held.push(places.take(&soon()).await.unwrap());
        }
        drop(held);
        assert!(places.is_idle());
    }
}
