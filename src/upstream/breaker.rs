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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(name: &str) -> AccountId {
        AccountId { tenant: "ten_1".into(), credential: name.into() }
    }

    /// A breaker and what time it is; no clock runs.
    struct Case {
        breaker: Breaker,
        now: Instant,
        shared: bool,
    }

    impl Case {
        fn new(shared: bool) -> Self {
            Self { breaker: Breaker::default(), now: Instant::now(), shared }
        }

        fn wait(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
        }

        fn admit(&mut self, name: &str) -> Result<Admitted, Duration> {
            self.breaker.admit(self.now, &account(name), self.shared)
        }

        /// One call that is let through, and how it goes.
        fn call(&mut self, name: &str, verdict: Verdict) -> Option<Change> {
            let admitted = self.admit(name).expect("the breaker is closed, or a probe is due");
            self.breaker.note(self.now, &account(name), admitted, verdict, self.shared)
        }

        fn opened(shared: bool) -> Self {
            let mut case = Self::new(shared);
            for name in ["a", "b", "a", "b", "a"] {
                case.call(name, Verdict::Failed);
            }
            assert_eq!(case.admit("c"), Err(SHORTEST_OPEN));
            case
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        for (calls, opens) in
            [("fffff", true), ("ffff", false), ("ffffwffff", false), ("ffffnf", true), ("wfffff", true)]
        {
            let mut case = Case::new(false);
            let mut changes = Vec::new();
            for call in calls.chars() {
                let verdict = match call {
                    'f' => Verdict::Failed,
                    'w' => Verdict::Works,
                    _ => Verdict::Nothing,
                };
                changes.extend(case.call("a", verdict));
            }
            let expected = if opens { vec![Change::Opened(SHORTEST_OPEN)] } else { vec![] };
            assert_eq!(changes, expected, "{calls}");
            assert_eq!(case.admit("a").is_err(), opens, "{calls}");
        }
    }

    #[test]
    fn failures_far_apart_are_no_row() {
        let mut case = Case::new(false);
        for _ in 0..20 {
            assert_eq!(case.call("a", Verdict::Failed), None);
            case.wait(60_000);
        }
    }

    #[test]
    fn half_of_twenty_calls_in_ten_seconds_open_it() {
        // Every second call fails: no row, but a half.
        for (calls, apart, opens) in [(20, 100, true), (19, 100, false), (40, 1000, false)] {
            let mut case = Case::new(false);
            let opened = (0..calls).any(|call| {
                case.wait(apart);
                let verdict = if call % 2 == 0 { Verdict::Works } else { Verdict::Failed };
                case.call("a", verdict).is_some()
            });
            assert_eq!(opened, opens, "{calls} calls, one in {apart} ms");
        }
        let mut case = Case::new(false);
        for call in 0..100 {
            let verdict = if call % 5 < 2 { Verdict::Failed } else { Verdict::Works };
            assert_eq!(case.call("a", verdict), None, "two of five are less than a half");
        }
    }

    #[test]
    fn on_a_shared_host_the_failures_of_one_account_open_nothing() {
        let mut case = Case::new(true);
        for _ in 0..100 {
            assert_eq!(case.call("a", Verdict::Failed), None);
        }
        case.call("b", Verdict::Works);
        for _ in 0..4 {
            assert_eq!(case.call("a", Verdict::Failed), None);
        }
        assert_eq!(case.call("b", Verdict::Failed), Some(Change::Opened(SHORTEST_OPEN)));
    }

    #[test]
    fn what_one_account_opened_is_closed_when_the_host_becomes_shared() {
        let mut case = Case::new(false);
        for _ in 0..5 {
            case.call("a", Verdict::Failed);
        }
        assert!(case.admit("a").is_err());
        case.shared = true;
        assert_eq!(case.admit("b"), Ok(Admitted::Ordinary));
        assert!(Case::opened(true).admit("b").is_err(), "two accounts opened this one");
    }

    #[test]
    fn one_probe_at_a_time_closes_it_or_doubles_the_time_up_to_a_minute() {
        let mut case = Case::opened(false);
        for seconds in [5, 10, 20, 40, 60, 60] {
            case.wait(seconds * 1000 - 1);
            assert_eq!(case.admit("a"), Err(Duration::from_millis(1)));
            case.wait(1);
            assert_eq!(case.admit("a"), Ok(Admitted::Probe));
            assert_eq!(case.admit("a"), Err(WHILE_PROBING));
            let longer = Duration::from_secs((seconds * 2).min(60));
            let change = case.breaker.note(case.now, &account("a"), Admitted::Probe, Verdict::Failed, false);
            assert_eq!(change, Some(Change::Opened(longer)));
        }
        case.wait(60_000);
        assert_eq!(case.call("a", Verdict::Works), Some(Change::Closed));
        for _ in 0..4 {
            assert_eq!(case.call("a", Verdict::Failed), None, "what was before is forgotten");
        }
        assert_eq!(case.call("a", Verdict::Failed), Some(Change::Opened(SHORTEST_OPEN)));
    }

    #[test]
    fn an_abandoned_probe_lets_the_next_one_try() {
        let mut case = Case::opened(false);
        case.wait(5000);
        assert_eq!(case.call("a", Verdict::Nothing), None);
        assert_eq!(case.admit("b"), Ok(Admitted::Probe));
    }

    #[test]
    fn calls_from_before_it_opened_change_nothing_when_they_end() {
        let mut case = Case::opened(false);
        for verdict in [Verdict::Works, Verdict::Failed] {
            let change = case.breaker.note(case.now, &account("a"), Admitted::Ordinary, verdict, false);
            assert_eq!(change, None);
            assert!(case.admit("a").is_err());
        }
    }

    #[test]
    fn on_a_shared_host_others_probe_before_the_account_whose_probe_failed() {
        let mut case = Case::opened(true);
        case.wait(5000);
        case.call("a", Verdict::Failed);
        case.wait(10_000);
        assert!(case.admit("a").is_err());
        assert_eq!(case.call("b", Verdict::Works), Some(Change::Closed));
        let mut alone = Case::opened(true);
        alone.wait(5000);
        alone.call("a", Verdict::Failed);
        alone.wait(20_000);
        assert_eq!(alone.admit("a"), Ok(Admitted::Probe), "nobody else came");
    }

    #[test]
    fn it_is_at_rest_only_when_nothing_is_remembered() {
        let mut case = Case::new(false);
        assert!(case.breaker.at_rest(case.now));
        case.call("a", Verdict::Works);
        assert!(!case.breaker.at_rest(case.now));
        case.wait(10_000);
        assert!(case.breaker.at_rest(case.now));
        let mut open = Case::opened(false);
        open.wait(3_600_000);
        assert!(!open.breaker.at_rest(open.now));
    }

    proptest! {
        /// Whatever comes in whatever order: at most one probe is under way, an open breaker lets nobody through
        /// before its time, nobody is kept out for more than twice the longest span, and a host that works again is
        /// found to.
        #[test]
        fn it_never_locks_up(steps in proptest::collection::vec((0_u64..8000, 0_usize..3, 0_usize..4), 1..200), shared: bool) {
            let mut case = Case::new(shared);
            let mut under_way: Vec<(usize, Admitted)> = Vec::new();
            for (wait, who, what) in steps {
                case.wait(wait);
                if what == 3 {
                    match case.admit(["a", "b", "c"][who]) {
                        Ok(admitted) => under_way.push((who, admitted)),
                        Err(wait) => prop_assert!(!wait.is_zero() && wait <= LONGEST_OPEN * 2),
                    }
                    let probes = under_way.iter().filter(|(_, admitted)| *admitted == Admitted::Probe).count();
                    prop_assert!(probes <= 1);
                } else if let Some((who, admitted)) = under_way.pop() {
                    let verdict = [Verdict::Works, Verdict::Failed, Verdict::Nothing][what];
                    case.breaker.note(case.now, &account(["a", "b", "c"][who]), admitted, verdict, shared);
                }
            }
            for (who, admitted) in under_way {
                case.breaker.note(case.now, &account(["a", "b", "c"][who]), admitted, Verdict::Nothing, shared);
            }
            case.wait(120_000);
            case.call("a", Verdict::Works);
            prop_assert_eq!(case.admit("a"), Ok(Admitted::Ordinary));
        }
    }
}
