//! The breaker of one host: leaves a host alone that keeps failing, and asks it with one call at a time whether it is
//! back. A state machine without I/O and without a clock: whoever asks says what time it is.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::AccountId;

/// Calls of so long ago are forgotten.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer calls are too few to speak of a half of them.
const FEWEST_CALLS: usize = 20;
/// So many failures without a success between them open it.
const IN_A_ROW: usize = 5;
/// How long it stays open the first time; each probe that fails doubles it.
const SHORTEST_OPEN: Duration = Duration::from_secs(5);
const LONGEST_OPEN: Duration = Duration::from_mins(1);
/// What a caller is told to wait while a probe is under way.
const WHILE_PROBING: Duration = Duration::from_secs(1);
/// The calls that are remembered; a busy host is judged by its last ones.
const MOST_REMEMBERED: usize = 1000;

/// How a call went, as far as it tells about its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The host works; a refusal proves that as well.
    Works,
    /// The host failed.
    Failed,
    /// It tells nothing, such as a call that was given hardly any time.
    Nothing,
}

/// What a call was let through as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// One among others.
    Ordinary,
    /// The one call that finds out whether the host is back.
    Probe,
}

/// Closed, open or half-open.
#[derive(Debug)]
enum State {
    /// Calls go through.
    Closed,
    /// None goes through until then.
    Open(Opened),
    /// One call finds out.
    HalfOpen { before: Opened, probing: bool },
}

#[derive(Clone, Debug)]
struct Opened {
    until: Instant,
    /// How long it is open this time.
    span: Duration,
    /// Whether failures of one account alone opened it.
    by_one: bool,
    /// Whose probe failed last: on a shared host others probe before it does again.
    last_probe: Option<AccountId>,
}

struct Remembered {
    at: Instant,
    account: AccountId,
    failed: bool,
}

/// The breaker of one host.
pub(super) struct Breaker {
    state: State,
    /// Calls since it closed last, oldest first.
    recent: VecDeque<Remembered>,
    /// Whose the failures since the last success are, and when the last was.
    row: Vec<AccountId>,
    last_failure: Option<Instant>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, recent: VecDeque::new(), row: Vec::new(), last_failure: None }
    }
}

impl Breaker {
    /// Whether a call of `account` may go; `shared` says whether other accounts use the host as well.
    /// Fails with the time after which it makes sense to come again.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        account: &AccountId,
        shared: bool,
    ) -> Result<Admitted, Duration> {
        // What one account's failures opened, before others came, is not theirs to suffer.
        if shared && self.opened().is_some_and(|opened| opened.by_one) {
            self.close();
        }
        match &mut self.state {
            State::Closed => Ok(Admitted::Ordinary),
            State::HalfOpen { probing: true, .. } => Err(WHILE_PROBING),
            State::HalfOpen { probing, .. } => {
                *probing = true;
                Ok(Admitted::Probe)
            }
            State::Open(opened) => {
                let again = shared && opened.last_probe.as_ref() == Some(account);
                let from = if again { opened.until + opened.span } else { opened.until };
                if now < from {
                    return Err(from - now);
                }
                self.state = State::HalfOpen { before: opened.clone(), probing: true };
                Ok(Admitted::Probe)
            }
        }
    }

    /// Notes how a call that was let through went. Answers whether this opened or closed it.
    pub(super) fn note(
        &mut self,
        now: Instant,
        account: &AccountId,
        admitted: Admitted,
        verdict: Verdict,
        shared: bool,
    ) -> Option<Change> {
        match (&mut self.state, admitted, verdict) {
            (State::HalfOpen { .. }, Admitted::Probe, Verdict::Works) => {
                self.close();
                Some(Change::Closed)
            }
            (State::HalfOpen { before, .. }, Admitted::Probe, Verdict::Failed) => {
                let span = (before.span * 2).min(LONGEST_OPEN);
                let by_one = before.by_one;
                let last_probe = Some(account.clone());
                self.state = State::Open(Opened { until: now + span, span, by_one, last_probe });
                Some(Change::Opened(span))
            }
            (State::HalfOpen { probing, .. }, Admitted::Probe, Verdict::Nothing) => {
                *probing = false;
                None
            }
            (State::Closed, _, Verdict::Works | Verdict::Failed) => {
                self.remember(now, account, verdict == Verdict::Failed);
                self.judge(now, shared)
            }
            // Calls from before it opened come late, and nothing was learnt from others.
            _ => None,
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub(super) fn at_rest(&self, now: Instant) -> bool {
        let quiet = |at: Option<Instant>, span| at.is_none_or(|at| now.saturating_duration_since(at) >= span);
        matches!(self.state, State::Closed)
            && quiet(self.recent.back().map(|call| call.at), WINDOW)
            && quiet(self.last_failure, LONGEST_OPEN)
    }

    fn opened(&self) -> Option<&Opened> {
        match &self.state {
            State::Closed => None,
            State::Open(opened) | State::HalfOpen { before: opened, .. } => Some(opened),
        }
    }

    fn close(&mut self) {
        *self = Self::default();
    }

    fn remember(&mut self, now: Instant, account: &AccountId, failed: bool) {
        while self.recent.front().is_some_and(|call| now.saturating_duration_since(call.at) >= WINDOW)
            || self.recent.len() >= MOST_REMEMBERED
        {
            self.recent.pop_front();
        }
        self.recent.push_back(Remembered { at: now, account: account.clone(), failed });
        if !failed {
            self.row.clear();
            return;
        }
        // Failures far apart are no spell.
        if self.last_failure.is_some_and(|at| now.saturating_duration_since(at) >= LONGEST_OPEN) {
            self.row.clear();
        }
        self.last_failure = Some(now);
        self.row.truncate(MOST_REMEMBERED);
        self.row.push(account.clone());
    }

    fn judge(&mut self, now: Instant, shared: bool) -> Option<Change> {
        let failed: Vec<&AccountId> =
            self.recent.iter().filter(|call| call.failed).map(|call| &call.account).collect();
        let half = self.recent.len() >= FEWEST_CALLS
            && failed.len() * 2 >= self.recent.len()
            && (!shared || of_two(&failed));
        let row: Vec<&AccountId> = self.row.iter().collect();
        let in_a_row = row.len() >= IN_A_ROW && (!shared || of_two(&row));
        if !half && !in_a_row {
            return None;
        }
        let by_one = !of_two(if in_a_row { &row } else { &failed });
        let until = now + SHORTEST_OPEN;
        *self = Self::default();
        self.state = State::Open(Opened { until, span: SHORTEST_OPEN, by_one, last_probe: None });
        Some(Change::Opened(SHORTEST_OPEN))
    }
}

/// What a call's end did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It opened, for so long.
    Opened(Duration),
    /// It closed.
    Closed,
}

fn of_two(accounts: &[&AccountId]) -> bool {
    accounts.iter().any(|account| Some(account) != accounts.first())
}
