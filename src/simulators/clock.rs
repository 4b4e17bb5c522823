//! The clock of a simulated CRM. Every write gets a later time than the one before.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// A CRM's clock: the real time or a given one; tests can move it. Clones share one time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    state: Arc<Mutex<ClockState>>,
}

#[derive(Debug, Default)]
struct ClockState {
    /// The given time; `None` for the real time.
    fixed: Option<Timestamp>,
    /// The offset of the CRM's clock.
    offset: SignedDuration,
    last: Option<Timestamp>,
}

impl Clock {
    #[must_use]
    pub fn real() -> Self {
        Self::default()
    }

    /// Starts at `time` and advances by one millisecond with every write.
    #[must_use]
    pub fn standing_at(time: Timestamp) -> Self {
        let state = ClockState { fixed: Some(time), ..ClockState::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Moves the clock forward or back. Later writes still get later times.
    pub fn advance(&self, by: SignedDuration) {
        let mut state = self.state.lock();
        state.offset = state.offset.saturating_add(by);
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state.lock().shown()
    }

    /// The time of the next write. It is later than all before, so sorting by time gives the order of writes.
    pub(crate) fn tick(&self) -> Timestamp {
        let mut state = self.state.lock();
        let shown = state.shown();
        let later = state.last.and_then(|last| last.checked_add(SignedDuration::from_millis(1)).ok());
        let time = later.map_or(shown, |later| later.max(shown));
        state.last = Some(time);
        time
    }
}

impl ClockState {
    fn shown(&self) -> Timestamp {
        let base = self.fixed.unwrap_or_else(wall);
        base.checked_add(self.offset).unwrap_or(base)
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulated CRMs have a wall clock of their own")]
fn wall() -> Timestamp {
    Timestamp::now()
}

/// A clock that only moves forward.
#[expect(clippy::disallowed_methods, reason = "the simulated CRMs have a monotonic clock of their own")]
pub(super) fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

/// A time as both simulators store it: UTC with milliseconds.
pub(crate) fn stored(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Parses a time as a client may write it: with an offset, without one (then UTC), or as a date.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writes_never_share_a_time() {
        let clock = Clock::standing_at("2026-01-01T00:00:00Z".parse().unwrap());
        let (first, second) = (clock.tick(), clock.tick());
        assert!(second > first);
        assert_eq!(stored(second), "2026-01-01T00:00:00.001Z");
    }
}
