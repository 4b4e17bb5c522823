//! Limits log lines that repeat themselves: one at a time, and the next one says how many were left out.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A line that is logged at most once in `every`, unless its text changes.
pub struct RepeatLimit {
    every: Duration,
    last: Mutex<Option<LoggedLine>>,
}

struct LoggedLine {
    at: Instant,
    text: String,
    suppressed: u64,
}

impl RepeatLimit {
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, last: Mutex::new(None) }
    }

    /// Whether the line with this text is due, and then how many were suppressed since the last one, if any.
    pub fn due(&self, text: &str) -> Option<Option<u64>> {
        let (mut last, at) = (self.last.lock(), crate::clock::monotonic());
        if let Some(line) = last.as_mut()
            && line.text == text
            && at.saturating_duration_since(line.at) < self.every
        {
            line.suppressed += 1;
            return None;
        }
        let before = last.replace(LoggedLine { at, text: text.to_owned(), suppressed: 0 });
        Some(before.map(|line| line.suppressed).filter(|count| *count > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_repeated_line_is_due_once_and_the_next_one_counts_the_rest() {
        let limit = RepeatLimit::new(Duration::from_secs(10));
        assert_eq!(limit.due("locked"), Some(None));
        assert_eq!([limit.due("locked"), limit.due("locked")], [None, None]);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!([limit.due("locked"), limit.due("locked")], [Some(Some(2)), None]);
        assert_eq!(limit.due("another"), Some(Some(1)), "another cause does not wait");
        assert_eq!(limit.due("another"), None);
    }
}
