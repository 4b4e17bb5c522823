//! Records of refused authentications, a few per minute, so that an attacker cannot fill the database.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Audit, entry, record};
use crate::domain::{Failure, FailureKind, KeyId, Text};

/// How many refusals are recorded one by one in each window.
const MOST: u32 = 6;
const WINDOW: Duration = Duration::from_mins(1);

/// The refusals of this process in the current window.
pub(super) struct Refusals {
    began: Instant,
    recorded: u32,
    unrecorded: u64,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { began: crate::clock::monotonic(), recorded: 0, unrecorded: 0 }
    }
}

impl Refusals {
    /// Counts a refusal. Returns the number of unrecorded refusals before it if it is to be recorded.
    fn note(&mut self, at: Instant) -> Option<u64> {
        if at.duration_since(self.began) >= WINDOW {
            (self.began, self.recorded) = (at, 0);
        }
        if self.recorded == MOST {
            self.unrecorded += 1;
            return None;
        }
        self.recorded += 1;
        Some(std::mem::take(&mut self.unrecorded))
    }

    /// The number of unrecorded refusals in a window that has ended.
    fn rest(&mut self, at: Instant) -> u64 {
        let ended = at.duration_since(self.began) >= WINDOW;
        if ended { std::mem::take(&mut self.unrecorded) } else { 0 }
    }
}

impl Audit {
    /// Records or counts a refused authentication; `key` is the id of the refused key, if it was a key. Other failures, such
    /// as an unavailable database, do not count. The caller does not wait for the record.
    pub fn refused(&self, key: Option<KeyId>, request_id: Option<Text>, failure: &Failure) {
        if !matches!(failure.kind, FailureKind::Unauthenticated | FailureKind::InsufficientScope) {
            return;
        }
        let noted = self.refusals.lock().note(crate::clock::monotonic());
        if let Some(unrecorded) = noted {
            self.write(key, request_id, failure.kind, unrecorded);
        }
    }

    /// Records how many refusals of the last minute were only counted.
    pub fn flush_suppressed(&self) {
        let rest = self.refusals.lock().rest(crate::clock::monotonic());
        if rest > 0 {
            self.write(None, None, FailureKind::Unauthenticated, rest);
        }
    }

    fn write(&self, key: Option<KeyId>, request_id: Option<Text>, kind: FailureKind, unrecorded: u64) {
        let id = key.map(|key| Text::from(key.as_str()));
        let mut record = record("nobody", id, Action::AuthenticationRefuse, request_id);
        record.outcome = Text::from_static(kind.code());
        if unrecorded > 0 {
            record.fields = vec![format!("unrecorded:{unrecorded}").into()];
        }
        let _ = entry::written(Arc::clone(&self.store), record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_records_a_few_and_counts_the_rest() {
        let mut refusals = Refusals::default();
        let start = refusals.began;
        let recorded = (0..50).filter_map(|_| refusals.note(start)).collect::<Vec<_>>();
        assert_eq!(recorded, [0; MOST as usize]);
        assert_eq!(refusals.rest(start), 0, "the window has not ended");
        assert_eq!(refusals.note(start + WINDOW), Some(44));
        assert_eq!(refusals.note(start + WINDOW), Some(0));
        for _ in 0..9 {
            refusals.note(start + WINDOW);
        }
        assert_eq!(refusals.rest(start + WINDOW * 2), 5);
        assert_eq!(refusals.rest(start + WINDOW * 2), 0);
    }
}
