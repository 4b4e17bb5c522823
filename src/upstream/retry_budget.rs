//! How many retries a tenant has left at a host.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Older calls do not count.
const WINDOW: Duration = Duration::from_secs(10);
/// One retry per this many calls.
const CALLS_FOR_ONE: usize = 5;
/// This many retries per second are always allowed.
const FLOOR: usize = 3;

/// The retry budget of one tenant at one host: a fifth of its calls of the last 10 s, and at least 3 per second.
#[derive(Default)]
pub(super) struct RetryBudget {
    /// The number of calls per second, oldest first.
    calls: VecDeque<(Instant, usize)>,
    retries: VecDeque<Instant>,
}

impl RetryBudget {
    pub(super) fn count_call(&mut self, now: Instant) {
        self.forget(now);
        match self.calls.back_mut() {
            Some((since, calls)) if now.saturating_duration_since(*since) < Duration::from_secs(1) => {
                *calls += 1;
            }
            _ => self.calls.push_back((now, 1)),
        }
    }

    /// Takes a retry, if one is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.forget(now);
        let calls: usize = self.calls.iter().map(|(_, calls)| calls).sum();
        let earned = (self.retries.len() + 1) * CALLS_FOR_ONE <= calls;
        let second = Duration::from_secs(1);
        let lately = self.retries.iter().rev().take_while(|at| now.saturating_duration_since(**at) < second);
        let left = earned || lately.count() < FLOOR;
        if left {
            self.retries.push_back(now);
        }
        left
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.retries.back().is_none_or(|at| now.saturating_duration_since(*at) >= WINDOW)
    }

    fn forget(&mut self, now: Instant) {
        let old = |at: &Instant| now.saturating_duration_since(*at) >= WINDOW;
        while self.calls.front().is_some_and(|(since, _)| old(since)) {
            self.calls.pop_front();
        }
        while self.retries.front().is_some_and(old) {
            self.retries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenant_gets_a_fifth_of_its_calls_as_retries_and_three_a_second() {
        let mut budget = RetryBudget::default();
        let taken =
            |budget: &mut RetryBudget| (0..100).filter(|_| budget.take(crate::clock::monotonic())).count();
        assert_eq!(taken(&mut budget), 3);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(taken(&mut budget), 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(taken(&mut budget), 3);
        for _ in 0..100 {
            budget.count_call(crate::clock::monotonic());
        }
        assert_eq!(taken(&mut budget), 14, "20 of 100 calls, of which 6 were taken before");
        assert!(!budget.is_idle(crate::clock::monotonic()));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(budget.is_idle(crate::clock::monotonic()));
        assert_eq!(taken(&mut budget), 3, "calls of long ago earn nothing");
    }
}
