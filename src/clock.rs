//! The only reader of clocks. Correctness depends only on [`monotonic`], because [`now`] may jump at any time.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// The wall clock, for people and other machines. It may be set forwards and backwards.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    #[cfg(test)]
    let now = now.checked_add(tests::shift()).unwrap_or(now);
    now
}

/// The monotonic clock, for durations. Tests may pause it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Ticks at once and then after each `period`. A late tick delays the following ones.
#[must_use]
pub fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use jiff::SignedDuration;

    thread_local! {
        /// A test's runtime stays on the test's thread.
        static SHIFT: Cell<SignedDuration> = const { Cell::new(SignedDuration::ZERO) };
    }

    pub(super) fn shift() -> SignedDuration {
        SHIFT.get()
    }

    /// Sets the wall clock of this test's thread forwards or backwards, relative to the real one.
    pub(crate) fn set_shift(by: SignedDuration) {
        SHIFT.set(by);
    }
}
