//! A lease that is renewed while it is held. This machine's clock determines how long it is certainly ours.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::domain::{Result, Text};
use crate::sealing::{hex, random};

/// A lease is renewed after each third of its time, so one renewal may fail.
const RENEWALS: u32 = 3;

/// A lease in the database. A dropped lease is not renewed, and lasts until another
/// process has seen no renewal for one lease time.
pub(in crate::gateway) struct Lease {
    time: Duration,
    until: Until,
    renewing: JoinHandle<()>,
    // Ends the renewal between two statements, never during one.
    held: oneshot::Sender<()>,
}

/// The time until which the lease is certainly ours; `None` if it was lost.
#[derive(Clone)]
struct Until(Arc<Mutex<Option<Instant>>>);

impl Lease {
    /// Keeps a lease of `time` that was requested at `requested_at`. `renew` renews it and returns whether it was still
    /// ours.
    pub(in crate::gateway) fn keep<R, F>(time: Duration, requested_at: Instant, renew: R) -> Self
    where
        R: Fn() -> F + Send + 'static,
        F: Future<Output = Result<bool>> + Send,
    {
        let until = Until(Arc::new(Mutex::new(Some(requested_at + time))));
        let (held, mut let_go) = oneshot::channel();
        let seen = until.clone();
        let renewing = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut let_go => return,
                    () = tokio::time::sleep(time / RENEWALS) => {}
                }
                let requested_at = crate::clock::monotonic();
                match renew().await {
                    Ok(true) => seen.extend(requested_at + time),
                    Ok(false) => return seen.lose(),
                    // The store logged the reason. The renewal is tried again, even after the lease has ended.
                    Err(_) => {}
                }
            }
        });
        Self { time, until, renewing, held }
    }

    /// Whether the lease is certainly ours. A process that was stopped for longer than the lease must not continue.
    pub(in crate::gateway) fn holds(&self) -> bool {
        self.until.get().is_some_and(|until| crate::clock::monotonic() < until)
    }

    /// The database granted the whole lease time again, for a request of time `requested_at`.
    pub(in crate::gateway) fn granted(&self, requested_at: Instant) {
        self.until.extend(requested_at + self.time);
    }

    /// Another process holds the leased object.
    pub(in crate::gateway) fn lose(&self) {
        self.until.lose();
    }

    /// The lease time without a renewal.
    pub(in crate::gateway) const fn time(&self) -> Duration {
        self.time
    }

    /// Ends the renewal. No renewal runs when this returns, so none can undo what follows.
    pub(in crate::gateway) async fn end(self) {
        drop(self.held);
        // The task always returns by itself.
        let _ = self.renewing.await;
    }
}

impl Until {
    fn get(&self) -> Option<Instant> {
        *self.0.lock()
    }

    fn extend(&self, end: Instant) {
        let mut until = self.0.lock();
        *until = until.map(|until| until.max(end));
    }

    fn lose(&self) {
        *self.0.lock() = None;
    }
}

/// A unique name of one holder. Fails with `internal`.
pub(in crate::gateway) fn new_fence() -> Result<Text> {
    Ok(hex(&random::<16>()?).into())
}
