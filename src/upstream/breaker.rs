//! A circuit breaker: it pauses calls to a host that keeps failing, then admits one probe at a time. It is a state machine
//! without I/O and without a clock: the caller passes the time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Older calls are forgotten.
const WINDOW: Duration = Duration::from_secs(10);
/// The minimum number of calls for the rule of half of them.
const FEWEST_CALLS: usize = 20;
/// This many consecutive failures open it.
const IN_A_ROW: usize = 5;
/// How long it stays open the first time. Each failed probe doubles it.
const SHORTEST_OPEN: Duration = Duration::from_secs(5);
/// The longest time that it stays open, and how long a failure is remembered.
pub(super) const LONGEST_OPEN: Duration = Duration::from_mins(1);
/// `Retry-After` while a probe is in progress.
const WHILE_PROBING: Duration = Duration::from_secs(1);
/// How many calls are remembered.
const MOST_REMEMBERED: usize = 1000;

/// What the result of a call says about the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallVerdict {
    /// The host works. A refusal proves that as well.
    Works,
    /// The host failed, independently of the caller: no connection, no valid certificate, 502, 503 or 504.
    HostFailed,
    /// The call failed, perhaps because of its account or path.
    Failed,
    /// No result about the host, such as a call with a very short deadline.
    Nothing,
}

/// As what a call was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerPermit {
    Ordinary,
    /// The call that checks whether the host works again.
    Probe,
}

/// How the end of a call changed the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Opened(Duration),
    Closed,
}

#[derive(Clone, Copy, Debug, Default)]
enum BreakerState {
    #[default]
    Closed,
    /// No call is admitted until `until`; `span` is how long it is open this time.
    Open { until: Instant, span: Duration },
    /// One probe at a time is admitted.
    HalfOpen { span: Duration, probing: bool },
}

/// The recent calls to one host since the breaker last closed, and the rule that opens it.
#[derive(Default)]
pub(super) struct History {
    /// When calls ended and whether they failed, oldest first.
    recent: VecDeque<(Instant, bool)>,
    /// The number of failures since the last success.
    row: usize,
    last_failure: Option<Instant>,
}

impl History {
    /// Notes a call. Returns whether half of at least 20 calls of the last 10 s failed, or the last 5 in a row.
    pub(super) fn note(&mut self, now: Instant, failed: bool) -> bool {
        while self.recent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
            || self.recent.len() >= MOST_REMEMBERED
        {
            self.recent.pop_front();
        }
        self.recent.push_back((now, failed));
        if !failed {
            self.row = 0;
            return self.is_half();
        }
        // Failures that are far apart do not count as consecutive.
        if self.last_failure.is_some_and(|at| now.saturating_duration_since(at) >= LONGEST_OPEN) {
            self.row = 0;
        }
        self.last_failure = Some(now);
        self.row += 1;
        self.row >= IN_A_ROW || self.is_half()
    }

    /// Whether it has nothing to remember.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let quiet = |at: Option<Instant>, span| at.is_none_or(|at| now.saturating_duration_since(at) >= span);
        quiet(self.recent.back().map(|(at, _)| *at), WINDOW) && quiet(self.last_failure, LONGEST_OPEN)
    }

    fn is_half(&self) -> bool {
        let failed = self.recent.iter().filter(|(_, failed)| *failed).count();
        self.recent.len() >= FEWEST_CALLS && failed * 2 >= self.recent.len()
    }
}

#[derive(Default)]
pub(super) struct Breaker {
    state: BreakerState,
    history: History,
}

impl Breaker {
    /// Admits a call. Fails with the time to wait.
    pub(super) fn admit(&mut self, now: Instant) -> Result<BreakerPermit, Duration> {
        match &mut self.state {
            BreakerState::Closed => Ok(BreakerPermit::Ordinary),
            BreakerState::HalfOpen { probing: true, .. } => Err(WHILE_PROBING),
            BreakerState::HalfOpen { probing, .. } => {
                *probing = true;
                Ok(BreakerPermit::Probe)
            }
            BreakerState::Open { until, .. } if now < *until => Err(*until - now),
            BreakerState::Open { span, .. } => {
                self.state = BreakerState::HalfOpen { span: *span, probing: true };
                Ok(BreakerPermit::Probe)
            }
        }
    }

    /// Notes the result of an admitted call. Returns whether this opened or closed the breaker.
    pub(super) fn note(
        &mut self,
        now: Instant,
        admitted: BreakerPermit,
        verdict: CallVerdict,
    ) -> Option<Transition> {
        match (&mut self.state, admitted, verdict) {
            (BreakerState::HalfOpen { .. }, BreakerPermit::Probe, CallVerdict::Works) => self.close(),
            (
                BreakerState::HalfOpen { span, .. },
                BreakerPermit::Probe,
                CallVerdict::Failed | CallVerdict::HostFailed,
            ) => {
                let span = (*span * 2).min(LONGEST_OPEN);
                Some(self.open_for(now, span))
            }
            (BreakerState::HalfOpen { probing, .. }, BreakerPermit::Probe, CallVerdict::Nothing) => {
                *probing = false;
                None
            }
            (BreakerState::Closed, _, CallVerdict::Works | CallVerdict::Failed | CallVerdict::HostFailed) => {
                self.history
                    .note(now, verdict != CallVerdict::Works)
                    .then(|| self.open_for(now, SHORTEST_OPEN))
            }
            // A call from before it opened, or one without a result.
            _ => None,
        }
    }

    /// Whether it opened and no call has shown since then that the host works.
    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.state, BreakerState::Closed)
    }

    /// Whether a call would be refused now. Once its time is over, an open breaker waits for a call that probes the host, and
    /// refuses none.
    pub(super) fn refuses(&self, now: Instant) -> bool {
        match self.state {
            BreakerState::Closed => false,
            BreakerState::Open { until, .. } => now < until,
            BreakerState::HalfOpen { probing, .. } => probing,
        }
    }

    pub(super) fn open(&mut self, now: Instant) -> Option<Transition> {
        matches!(self.state, BreakerState::Closed).then(|| self.open_for(now, SHORTEST_OPEN))
    }

    /// Closes it if it is not closed.
    pub(super) fn close(&mut self) -> Option<Transition> {
        let was_closed = matches!(self.state, BreakerState::Closed);
        (!was_closed).then(|| {
            *self = Self::default();
            Transition::Closed
        })
    }

    /// Whether it can be dropped. So can an open breaker that no call has used for a minute after its time: five failures
    /// would open it again.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        match self.state {
            BreakerState::Closed => self.history.is_idle(now),
            BreakerState::Open { until, .. } => now.saturating_duration_since(until) >= LONGEST_OPEN,
            BreakerState::HalfOpen { .. } => false,
        }
    }

    fn open_for(&mut self, now: Instant, span: Duration) -> Transition {
        *self = Self { state: BreakerState::Open { until: now + span, span }, history: History::default() };
        Transition::Opened(span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A breaker and what time it is; no clock runs.
    struct Case {
        breaker: Breaker,
        now: Instant,
    }

    impl Case {
        fn new() -> Self {
            Self { breaker: Breaker::default(), now: crate::clock::monotonic() }
        }

        fn wait(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
        }

        fn admit(&mut self) -> Result<BreakerPermit, Duration> {
            self.breaker.admit(self.now)
        }

        /// One call that is let through, and how it goes.
        fn call(&mut self, verdict: CallVerdict) -> Option<Transition> {
            let admitted = self.admit().expect("the breaker is closed, or a probe is due");
            self.breaker.note(self.now, admitted, verdict)
        }

        fn opened() -> Self {
            let mut case = Self::new();
            for _ in 0..5 {
                case.call(CallVerdict::Failed);
            }
            assert_eq!(case.admit(), Err(SHORTEST_OPEN));
            case
        }
    }

    #[test]
    fn it_refuses_calls_until_its_time_is_over_and_while_it_probes() {
        let mut case = Case::opened();
        let refuses = |case: &Case| case.breaker.refuses(case.now);
        assert!(refuses(&case) && case.breaker.is_open());
        case.now += SHORTEST_OPEN;
        assert!(!refuses(&case) && case.breaker.is_open(), "it waits for a call");
        let probe = case.admit().unwrap();
        assert!(refuses(&case));
        case.breaker.note(case.now, probe, CallVerdict::Nothing);
        assert!(!refuses(&case), "the probe showed nothing");
        case.call(CallVerdict::Works);
        assert!(!refuses(&case) && !case.breaker.is_open());
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        for (calls, opens) in [
            ("fffff", true),
            ("hhhhh", true),
            ("hfhfh", true),
            ("ffff", false),
            ("ffffwffff", false),
            ("ffffnf", true),
            ("wfffff", true),
        ] {
            let mut case = Case::new();
            let mut changes = Vec::new();
            for call in calls.chars() {
                let verdict = match call {
                    'f' => CallVerdict::Failed,
                    'h' => CallVerdict::HostFailed,
                    'w' => CallVerdict::Works,
                    _ => CallVerdict::Nothing,
                };
                changes.extend(case.call(verdict));
            }
            let expected = if opens { vec![Transition::Opened(SHORTEST_OPEN)] } else { vec![] };
            assert_eq!(changes, expected, "{calls}");
            assert_eq!(case.admit().is_err(), opens, "{calls}");
        }
    }

    #[test]
    fn failures_far_apart_are_no_row() {
        let mut case = Case::new();
        for _ in 0..20 {
            assert_eq!(case.call(CallVerdict::Failed), None);
            case.wait(60_000);
        }
    }

    #[test]
    fn half_of_twenty_calls_in_ten_seconds_open_it() {
        // Every second call fails: no row, but a half.
        for (calls, apart, opens) in [(20, 100, true), (19, 100, false), (40, 1000, false)] {
            let mut case = Case::new();
            let opened = (0..calls).any(|call| {
                case.wait(apart);
                let verdict = if call % 2 == 0 { CallVerdict::Works } else { CallVerdict::Failed };
                case.call(verdict).is_some()
            });
            assert_eq!(opened, opens, "{calls} calls, one in {apart} ms");
        }
        let mut case = Case::new();
        for call in 0..100 {
            let verdict = if call % 5 < 2 { CallVerdict::Failed } else { CallVerdict::Works };
            assert_eq!(case.call(verdict), None, "two of five are less than a half");
        }
    }

    #[test]
    fn one_probe_at_a_time_closes_it_or_doubles_the_time_up_to_a_minute() {
        let mut case = Case::opened();
        for seconds in [5, 10, 20, 40, 60, 60] {
            case.wait(seconds * 1000 - 1);
            assert_eq!(case.admit(), Err(Duration::from_millis(1)));
            case.wait(1);
            assert_eq!(case.admit(), Ok(BreakerPermit::Probe));
            assert_eq!(case.admit(), Err(WHILE_PROBING));
            let longer = Duration::from_secs((seconds * 2).min(60));
            let change = case.breaker.note(case.now, BreakerPermit::Probe, CallVerdict::Failed);
            assert_eq!(change, Some(Transition::Opened(longer)));
        }
        case.wait(60_000);
        assert_eq!(case.call(CallVerdict::Works), Some(Transition::Closed));
        for _ in 0..4 {
            assert_eq!(case.call(CallVerdict::Failed), None, "what was before is forgotten");
        }
        assert_eq!(case.call(CallVerdict::Failed), Some(Transition::Opened(SHORTEST_OPEN)));
    }

    #[test]
    fn an_abandoned_probe_lets_the_next_one_try() {
        let mut case = Case::opened();
        case.wait(5000);
        assert_eq!(case.call(CallVerdict::Nothing), None);
        assert_eq!(case.admit(), Ok(BreakerPermit::Probe));
    }

    #[test]
    fn calls_from_before_it_opened_change_nothing_when_they_end() {
        let mut case = Case::opened();
        for verdict in [CallVerdict::Works, CallVerdict::Failed] {
            assert_eq!(case.breaker.note(case.now, BreakerPermit::Ordinary, verdict), None);
            assert!(case.admit().is_err());
        }
    }

    #[test]
    fn it_is_at_rest_only_when_nothing_is_remembered_or_nobody_came_for_a_minute() {
        let mut case = Case::new();
        assert!(case.breaker.is_idle(case.now));
        case.call(CallVerdict::Works);
        assert!(!case.breaker.is_idle(case.now));
        case.wait(10_000);
        assert!(case.breaker.is_idle(case.now));
        let mut open = Case::opened();
        open.wait(64_999);
        assert!(!open.breaker.is_idle(open.now));
        open.wait(1);
        assert!(open.breaker.is_idle(open.now));
    }

    proptest! {
        #![proptest_config(crate::proptest_config::usual())]

        /// Whatever comes in whatever order: at most one probe is under way, an open breaker lets nobody through
        /// before its time, nobody is kept out for longer than the longest span, and a host that works again is found
        /// to.
        #[test]
        fn it_never_locks_up(steps in proptest::collection::vec((0_u64..8000, 0_usize..5), 1..200)) {
            let mut case = Case::new();
            let mut under_way: Vec<BreakerPermit> = Vec::new();
            for (wait, what) in steps {
                case.wait(wait);
                if what == 4 {
                    match case.admit() {
                        Ok(admitted) => under_way.push(admitted),
                        Err(wait) => prop_assert!(!wait.is_zero() && wait <= LONGEST_OPEN),
                    }
                    prop_assert!(under_way.iter().filter(|admitted| **admitted == BreakerPermit::Probe).count() <= 1);
                } else if let Some(admitted) = under_way.pop() {
                    let verdicts = [CallVerdict::Works, CallVerdict::Failed, CallVerdict::HostFailed, CallVerdict::Nothing];
                    case.breaker.note(case.now, admitted, verdicts[what]);
                }
            }
            for admitted in under_way {
                case.breaker.note(case.now, admitted, CallVerdict::Nothing);
            }
            case.wait(60_000);
            case.call(CallVerdict::Works);
            prop_assert_eq!(case.admit(), Ok(BreakerPermit::Ordinary));
        }
    }
}
