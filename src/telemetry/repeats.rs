//! Limits repeated log lines: each text at most once per interval. The next line has the number suppressed.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The maximum number of texts limited separately. Further texts share one limit.
const TEXTS_MOST: usize = 32;
/// Stands for the texts beyond that.
const OTHERS: &str = "";

/// Logs each text at most once in `every`.
pub struct RepeatLimit {
    every: Duration,
    logged: Mutex<Vec<LoggedLine>>,
}

struct LoggedLine {
    at: Instant,
    text: String,
    suppressed: u64,
}

impl RepeatLimit {
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, logged: Mutex::new(Vec::new()) }
    }

    /// Whether the line with this text is due, and then how many with this text were suppressed since the last one, if any. If more
    /// than [`TEXTS_MOST`] texts came, the numbers of those that were not repeated within the interval are dropped.
    pub fn due(&self, text: &str) -> Option<Option<u64>> {
        let (mut logged, at) = (self.logged.lock(), crate::clock::monotonic());
        let is_recent = |line: &LoggedLine| at.saturating_duration_since(line.at) < self.every;
        let is_new = !logged.iter().any(|line| line.text == text);
        if is_new && logged.len() >= TEXTS_MOST {
            logged.retain(|line| line.text == OTHERS || is_recent(line));
        }
        let text = if is_new && logged.len() >= TEXTS_MOST { OTHERS } else { text };
        let Some(line) = logged.iter_mut().find(|line| line.text == text) else {
            logged.push(LoggedLine { at, text: text.to_owned(), suppressed: 0 });
            return Some(None);
        };
        if is_recent(line) {
            line.suppressed += 1;
            return None;
        }
        line.at = at;
        Some(Some(std::mem::take(&mut line.suppressed)).filter(|count| *count > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_repeated_line_is_due_once_and_the_next_one_counts_the_rest() {
        let limit = RepeatLimit::new(EVERY);
        assert_eq!(limit.due("locked"), Some(None));
        assert_eq!([limit.due("locked"), limit.due("locked")], [None, None]);
        assert_eq!(limit.due("another"), Some(None), "another cause does not wait");
        tokio::time::advance(EVERY).await;
        assert_eq!([limit.due("locked"), limit.due("locked")], [Some(Some(2)), None]);
        assert_eq!([limit.due("another"), limit.due("another")], [Some(None), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn texts_that_alternate_are_limited_each() {
        let limit = RepeatLimit::new(EVERY);
        let lines = (0..1_000).filter(|n| limit.due(["one", "other"][n % 2]).is_some()).count();
        assert_eq!(lines, 2);
        tokio::time::advance(EVERY).await;
        assert_eq!([limit.due("one"), limit.due("other")], [Some(Some(499)); 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn ever_new_texts_share_one_line_and_take_no_more_memory() {
        let limit = RepeatLimit::new(EVERY);
        let all = || (0..1_000).filter(|n| limit.due(&format!("text {n}")).is_some()).count();
        assert_eq!(all(), TEXTS_MOST + 1);
        tokio::time::advance(EVERY).await;
        assert!(all() <= TEXTS_MOST + 1);
        assert!(limit.logged.lock().len() <= TEXTS_MOST + 1);
        tokio::time::advance(EVERY).await;
        assert_eq!(limit.due("new"), Some(None));
    }
}
