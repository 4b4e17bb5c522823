//! A lease that is renewed while it is held, and how long it is surely ours by this machine's own clock.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::domain::{Result, Text};
use crate::sealing::random;

/// Renews every third of its time, so that one renewal may fail.
const RENEWALS: u32 = 3;

/// A lease in the database. Dropped, it is renewed no more and ends by itself.
pub(in crate::gateway) struct Lease {
    time: Duration,
    until: Until,
    renewing: JoinHandle<()>,
    // Its end is what stops the renewal, between two statements and never inside one.
    held: oneshot::Sender<()>,
}

/// Until when the lease is surely ours; `None` once it was lost.
#[derive(Clone)]
struct Until(Arc<Mutex<Option<Instant>>>);

impl Lease {
    /// Keeps a lease of `time` that the database granted after `asked`. `renew` lengthens it and answers whether it was
    /// still ours.
    pub(in crate::gateway) fn keep<R, F>(time: Duration, asked: Instant, renew: R) -> Self
    where
        R: Fn() -> F + Send + 'static,
        F: Future<Output = Result<bool>> + Send,
    {
        let until = Until(Arc::new(Mutex::new(Some(asked + time))));
        let (held, mut let_go) = oneshot::channel();
        let seen = until.clone();
        let renewing = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut let_go => return,
                    () = tokio::time::sleep(time / RENEWALS) => {}
                }
                let asked = crate::clock::monotonic();
                match renew().await {
                    Ok(true) => seen.lengthen(asked + time),
                    Ok(false) => return seen.lose(),
                    // The store logged why; it is tried again while the lease lasts, and after.
                    Err(_) => {}
                }
            }
        });
        Self { time, until, renewing, held }
    }

    /// Whether the lease is surely ours: a process that was stopped for longer than it lasts must not go on.
    pub(in crate::gateway) fn holds(&self) -> bool {
        self.until.get().is_some_and(|until| crate::clock::monotonic() < until)
    }

    /// Notes that the database granted the whole time once more, after `asked`.
    pub(in crate::gateway) fn granted(&self, asked: Instant) {
        self.until.lengthen(asked + self.time);
    }

    /// Notes that somebody else holds what was leased.
    pub(in crate::gateway) fn lose(&self) {
        self.until.lose();
    }

    /// How long it lasts without a renewal.
    pub(in crate::gateway) const fn time(&self) -> Duration {
        self.time
    }

    /// Ends the renewal; a renewal under way has ended when this returns, so that it cannot undo what comes next.
    pub(in crate::gateway) async fn end(self) {
        drop(self.held);
        // It ends in no other way than by returning.
        let _ = self.renewing.await;
    }
}

impl Until {
    fn get(&self) -> Option<Instant> {
        *self.0.lock()
    }

    fn lengthen(&self, moment: Instant) {
        let mut until = self.0.lock();
        *until = until.map(|until| until.max(moment));
    }

    fn lose(&self) {
        *self.0.lock() = None;
    }
}

/// A name for one holding, which nobody else has. Fails with `internal`.
pub(in crate::gateway) fn new_fence() -> Result<Text> {
    Ok(hex(&random::<16>()?).into())
}

pub(in crate::gateway) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // A string takes everything.
        text
    })
}
