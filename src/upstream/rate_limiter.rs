//! A rate limiter: limits as sliding windows, and the pause after a 429.
//!
//! Accounts of one company can share a limiter; the lowest of their limits then counts. An interactive call reserves its start at
//! once, in the order of arrival. A background call starts only if a start is free that nobody reserved. Background calls use at
//! most three quarters of each limit, less if interactive calls are frequent, and are spread over its window: while a job runs,
//! interactive calls start at once.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::RateLimit;
use super::call::LEAST_TIME;
use crate::domain::{Failure, FailureKind, Priority, Result};

/// The CRM counts arrivals, not starts. With this margin, a call that arrives a little sooner does not fall into the previous
/// window.
const SLACK: Duration = Duration::from_millis(50);
/// The pause after a 429 without `Retry-After`.
pub(super) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The part of each limit that background calls may use.
const BACKGROUND_SHARE: f64 = 0.75;
/// The part that they may use together with interactive calls, as many as are expected.
const EXPECTED_SHARE: f64 = 0.95;
/// The part that is left to them however frequent interactive calls are.
const LEAST_SHARE: f64 = 0.05;
/// Into so many parts of a window their calls are spread.
const PARTS: u32 = 6;

/// The starts of all calls that share one limit.
#[derive(Default)]
pub(super) struct RateLimiter(Mutex<Starts>);

#[derive(Default)]
struct Starts {
    /// When calls started, oldest first, within the longest window.
    made: VecDeque<Instant>,
    /// Those of background calls.
    background: VecDeque<Instant>,
    longest: Duration,
    /// How many members of a group have a limit, lowest first for each window.
    members: BTreeMap<(Duration, usize), usize>,
    /// When waiting calls will start, in the order of arrival.
    reserved: BTreeMap<u64, Instant>,
    next: u64,
    /// Nothing is sent before this, because the CRM requested a pause.
    paused_until: Option<Instant>,
}

/// A call that is to start.
#[derive(Clone, Copy)]
pub(super) struct Acquire<'a> {
    pub(super) limits: &'a [RateLimit],
    pub(super) priority: Priority,
    pub(super) deadline: Instant,
}

impl RateLimiter {
    /// Returns when the call may be sent, which counts as its start. A call that stops waiting releases its start.
    ///
    /// If that would be too late for the deadline, fails at once and reserves nothing: with `upstream_rate_limited` in a pause that
    /// the CRM requested, else with `rate_limited`. Both say how long to wait.
    pub(super) async fn start(&self, acquire: Acquire<'_>) -> Result<()> {
        let mut waiting = Waiting { limiter: self, ticket: None };
        loop {
            // Asked again after each sleep: there may be a pause, and earlier calls may have started late.
            let asked = self.0.lock().ask(crate::clock::monotonic(), acquire, waiting.ticket)?;
            match asked {
                Grant::Now => return Ok(()),
                Grant::At(at, ticket) => {
                    waiting.ticket = ticket;
                    sleep_until(at).await;
                }
            }
        }
    }

    /// Adds the limits of an account that shares this limiter. They count for all until [`Self::leave`].
    pub(super) fn join(&self, limits: &[RateLimit]) {
        let mut starts = self.0.lock();
        for limit in limits {
            *starts.members.entry((limit.per, limit.calls)).or_default() += 1;
        }
    }

    /// Removes limits that [`Self::join`] added.
    pub(super) fn leave(&self, limits: &[RateLimit]) {
        let mut starts = self.0.lock();
        for limit in limits {
            if let Entry::Occupied(mut entry) = starts.members.entry((limit.per, limit.calls)) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    /// Pauses all calls for `after`, or for a second if the CRM gave no time.
    pub(super) fn pause(&self, after: Option<Duration>) -> Duration {
        let pause = after.unwrap_or(DEFAULT_RETRY_AFTER);
        let until = crate::clock::monotonic() + pause;
        let mut starts = self.0.lock();
        starts.paused_until = starts.paused_until.max(Some(until));
        pause
    }

    /// Whether it has nothing to remember.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let mut starts = self.0.lock();
        starts.forget(now);
        starts.made.is_empty() && starts.reserved.is_empty() && starts.pause_left(now).is_zero()
    }

    pub(super) fn pause_left(&self) -> Duration {
        self.0.lock().pause_left(crate::clock::monotonic())
    }
}

/// A call that waits for its start; without a ticket it has reserved none.
struct Waiting<'a> {
    limiter: &'a RateLimiter,
    ticket: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.limiter.0.lock().reserved.remove(&ticket);
        }
    }
}

enum Grant {
    Now,
    At(Instant, Option<u64>),
}

impl Starts {
    /// Whether a call starts now, or when. `ticket` is its earlier reservation, which keeps its position in the order.
    fn ask(&mut self, now: Instant, acquire: Acquire<'_>, ticket: Option<u64>) -> Result<Grant> {
        self.forget(now);
        let limits = self.limits(acquire.limits);
        let at = match acquire.priority {
            Priority::Interactive => self.earliest(now, &limits, ticket),
            Priority::Bulk => self.earliest(now, &limits, ticket).max(self.earliest_background(now, &limits)),
        };
        if at <= now {
            ticket.map(|ticket| self.reserved.remove(&ticket));
            self.make(now, &limits, acquire.priority);
            return Ok(Grant::Now);
        }
        if at + LEAST_TIME > acquire.deadline {
            return Err(self.refusal(now, at, acquire.deadline));
        }
        if acquire.priority == Priority::Bulk {
            return Ok(Grant::At(at, None));
        }
        let ticket = ticket.unwrap_or(self.next);
        self.next = self.next.max(ticket + 1);
        self.reserved.insert(ticket, at);
        Ok(Grant::At(at, Some(ticket)))
    }

    /// `own`, and for each window the lowest limit of the members.
    fn limits<'a>(&self, own: &'a [RateLimit]) -> Cow<'a, [RateLimit]> {
        if self.members.is_empty() {
            return Cow::Borrowed(own);
        }
        let mut limits = own.to_vec();
        for &(per, calls) in self.members.keys() {
            match limits.iter_mut().find(|limit| limit.per == per) {
                Some(limit) => limit.calls = limit.calls.min(calls),
                None => limits.push(RateLimit { calls, per }),
            }
        }
        Cow::Owned(limits)
    }

    /// The earliest start of a call after all that started, and after the reservations before `ticket`.
    fn earliest(&self, now: Instant, limits: &[RateLimit], ticket: Option<u64>) -> Instant {
        if limits.is_empty() {
            return self.paused_until.map_or(now, |until| until.max(now));
        }
        let before = self.reserved.range(..ticket.unwrap_or(u64::MAX)).map(|(_, at)| *at);
        let reserved: Vec<Instant> = before.collect();
        // A limit of a million calls keeps a million starts: they are not copied for each call.
        let starts =
            if reserved.is_empty() { Cow::Borrowed(&self.made) } else { Cow::Owned(self.with(&reserved)) };
        let free = limits.iter().filter_map(|limit| {
            let full_since = starts.len().checked_sub(limit.calls)?;
            starts.get(full_since).map(|at| *at + limit.per + SLACK)
        });
        free.chain(self.paused_until).chain(starts.back().copied()).fold(now, Instant::max)
    }

    /// The earliest start of a background call after the others.
    fn earliest_background(&self, now: Instant, limits: &[RateLimit]) -> Instant {
        let spread = limits.iter().flat_map(|limit| {
            let expected = self
                .interactive(now, limit.per)
                .max(self.interactive(now, limit.per / PARTS).saturating_mul(PARTS as usize));
            let most = limit.share(EXPECTED_SHARE).calls.saturating_sub(expected);
            let calls = most.min(limit.share(BACKGROUND_SHARE).calls).max(limit.share(LEAST_SHARE).calls);
            let part = RateLimit { calls: calls.div_ceil(PARTS as usize), per: limit.per / PARTS };
            [RateLimit { calls, ..*limit }, part]
        });
        let free = spread.filter_map(|limit| {
            let full_since = self.background.len().checked_sub(limit.calls)?;
            self.background.get(full_since).map(|at| *at + limit.per + SLACK)
        });
        free.fold(now, Instant::max)
    }

    /// How many interactive calls started within the last `per`.
    fn interactive(&self, now: Instant, per: Duration) -> usize {
        let within = |starts: &VecDeque<Instant>| {
            starts.len() - starts.partition_point(|at| now.saturating_duration_since(*at) >= per)
        };
        within(&self.made).saturating_sub(within(&self.background))
    }

    /// The starts and those that are reserved, oldest first.
    fn with(&self, reserved: &[Instant]) -> VecDeque<Instant> {
        let mut starts: Vec<Instant> = self.made.iter().chain(reserved).copied().collect();
        starts.sort_unstable();
        starts.into()
    }

    fn make(&mut self, now: Instant, limits: &[RateLimit], priority: Priority) {
        let Some(longest) = limits.iter().map(|limit| limit.per).max() else { return };
        self.longest = self.longest.max(longest);
        self.made.push_back(now);
        if priority == Priority::Bulk {
            self.background.push_back(now);
        }
    }

    fn forget(&mut self, now: Instant) {
        let longest = self.longest + SLACK;
        for starts in [&mut self.made, &mut self.background] {
            while starts.front().is_some_and(|at| now.saturating_duration_since(*at) >= longest) {
                starts.pop_front();
            }
        }
    }

    fn pause_left(&self, now: Instant) -> Duration {
        self.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn refusal(&self, now: Instant, at: Instant, deadline: Instant) -> Failure {
        let pause = self.pause_left(now);
        if now + pause + LEAST_TIME > deadline {
            let detail = "The CRM requested a pause; nothing was sent.";
            return Failure::new(FailureKind::UpstreamRateLimited, detail).with_retry_after(Some(pause));
        }
        let detail = "This credential has used up the CRM's rate limit; nothing was sent.";
        Failure::new(FailureKind::RateLimited, detail).with_retry_after(Some(at - now))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    const SECOND: RateLimit = RateLimit { calls: 3, per: Duration::from_secs(1) };
    const LIMITS: &[RateLimit] = &[SECOND, RateLimit { calls: 5, per: Duration::from_secs(10) }];

    fn wish(limits: &'static [RateLimit], within: u64, priority: Priority) -> Acquire<'static> {
        Acquire { limits, priority, deadline: crate::clock::monotonic() + Duration::from_millis(within) }
    }

    fn person(within: u64) -> Acquire<'static> {
        wish(LIMITS, within, Priority::Interactive)
    }

    #[tokio::test(start_paused = true)]
    async fn the_call_beyond_a_limit_waits_for_the_window_and_not_longer() {
        let (pace, began) = (Arc::new(RateLimiter::default()), crate::clock::monotonic());
        let mut at = Vec::new();
        for _ in 0..7 {
            pace.start(person(60_000)).await.unwrap();
            at.push(began.elapsed().as_millis());
        }
        assert_eq!(at[..3], [0, 0, 0]);
        assert!((1050..1060).contains(&at[3]) && (1050..1060).contains(&at[4]), "{at:?}");
        assert!((10_050..10_060).contains(&at[5]), "{at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_would_start_too_late_is_refused_at_once_and_reserves_nothing() {
        let (pace, began) = (Arc::new(RateLimiter::default()), crate::clock::monotonic());
        for _ in 0..3 {
            pace.start(person(500)).await.unwrap();
        }
        let failure = pace.start(person(1000)).await.unwrap_err();
        assert_eq!((failure.kind, began.elapsed()), (FailureKind::RateLimited, Duration::ZERO));
        assert_eq!(failure.retry_after, Some(Duration::from_millis(1050)));
        assert!(pace.0.lock().reserved.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_is_given_back_by_whoever_leaves() {
        let pace = Arc::new(RateLimiter::default());
        for _ in 0..3 {
            pace.start(person(500)).await.unwrap();
        }
        {
            let first = pace.start(person(60_000));
            let second = pace.start(person(60_000));
            tokio::pin!(first, second);
            let both = async { tokio::join!(&mut first, &mut second) };
            assert!(tokio::time::timeout(Duration::from_millis(10), both).await.is_err());
            assert_eq!(pace.0.lock().reserved.len(), 2);
        }
        assert!(pace.0.lock().reserved.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_starts_only_when_no_person_waits() {
        let pace = Arc::new(RateLimiter::default());
        for _ in 0..3 {
            pace.start(person(500)).await.unwrap();
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let run = |name: &'static str, priority| {
            let (pace, order) = (pace.clone(), order.clone());
            tokio::spawn(async move {
                pace.start(wish(LIMITS, 60_000, priority)).await.unwrap();
                order.lock().push(name);
            })
        };
        // The job comes first, and the persons take the two starts that the longer window leaves.
        let job = run("job", Priority::Bulk);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let persons = [run("first", Priority::Interactive), run("second", Priority::Interactive)];
        for task in persons.into_iter().chain([job]) {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), ["first", "second", "job"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_starts_at_once_while_jobs_wait_for_the_limit() {
        const MINUTE: &[RateLimit] = &[
            RateLimit { calls: 20, per: Duration::from_secs(1) },
            RateLimit { calls: 120, per: Duration::from_mins(1) },
        ];
        // How often a person reads, how many calls a read takes, and at least how many calls of jobs fit in beside them.
        for (pause, calls, jobs_least) in [(3000, 1, 200), (2200, 2, 100), (1500, 2, 20)] {
            a_person_starts_at_once(MINUTE, Duration::from_millis(pause), calls, jobs_least).await;
        }
    }

    async fn a_person_starts_at_once(
        limits: &'static [RateLimit],
        pause: Duration,
        calls: usize,
        jobs_least: usize,
    ) {
        let pace = Arc::new(RateLimiter::default());
        let started = Arc::new(Mutex::new(Vec::new()));
        let jobs: Vec<_> = (0..8)
            .map(|_| {
                let (pace, started) = (pace.clone(), started.clone());
                tokio::spawn(async move {
                    while pace.start(wish(limits, 120_000, Priority::Bulk)).await.is_ok() {
                        started.lock().push(crate::clock::monotonic());
                    }
                })
            })
            .collect();
        let (began, mut reads) = (crate::clock::monotonic(), 0);
        while began.elapsed() < Duration::from_mins(3) {
            tokio::time::sleep(pause).await;
            for _ in 0..calls {
                let asked = crate::clock::monotonic();
                pace.start(wish(limits, 30_000, Priority::Interactive)).await.unwrap();
                assert!(asked.elapsed() < Duration::from_millis(200), "{pause:?}: {:?}", asked.elapsed());
                started.lock().push(crate::clock::monotonic());
                reads += 1;
            }
        }
        jobs.iter().for_each(tokio::task::JoinHandle::abort);
        let started = started.lock();
        for limit in limits {
            let most =
                started.windows(limit.calls + 1).all(|window| window[limit.calls] - window[0] >= limit.per);
            assert!(most, "more than {} calls in {:?}", limit.calls, limit.per);
        }
        assert!(started.len() > reads + jobs_least, "{pause:?}: {} of jobs", started.len() - reads);
    }

    /// A quarter of the limit is left however busy jobs are, and whoever comes after a silence.
    #[tokio::test(start_paused = true)]
    async fn persons_who_come_all_at_once_find_their_part_of_the_limit() {
        const MINUTE: &[RateLimit] = &[RateLimit { calls: 120, per: Duration::from_mins(1) }];
        let pace = Arc::new(RateLimiter::default());
        let jobs = pace.clone();
        let jobs =
            tokio::spawn(
                async move { while jobs.start(wish(MINUTE, 120_000, Priority::Bulk)).await.is_ok() {} },
            );
        tokio::time::sleep(Duration::from_mins(3)).await;
        let came = crate::clock::monotonic();
        for _ in 0..28 {
            pace.start(wish(MINUTE, 30_000, Priority::Interactive)).await.unwrap();
        }
        assert_eq!(came.elapsed(), Duration::ZERO);
        jobs.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_pause_nothing_starts_and_who_cannot_wait_is_told_how_long() {
        let (pace, began) = (Arc::new(RateLimiter::default()), crate::clock::monotonic());
        pace.pause(Some(Duration::from_secs(7)));
        pace.pause(Some(Duration::from_secs(2))); // A shorter one changes nothing.
        let short = wish(&[], 5000, Priority::Interactive);
        let failure = pace.start(short).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::UpstreamRateLimited);
        assert_eq!((failure.retry_after, began.elapsed()), (Some(Duration::from_secs(7)), Duration::ZERO));
        assert!(!pace.is_idle(crate::clock::monotonic()));
        pace.start(wish(&[], 8000, Priority::Interactive)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(7));
        assert!(pace.is_idle(crate::clock::monotonic()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_lowest_limit_of_a_group_counts_for_all_until_its_member_leaves() {
        let (pace, began) = (RateLimiter::default(), crate::clock::monotonic());
        let lower = [RateLimit { calls: 1, ..SECOND }];
        for limits in [&[SECOND][..], &lower, &lower] {
            pace.join(limits);
        }
        let member = || wish(&[], 60_000, Priority::Interactive);
        let mut at = Vec::new();
        for round in 0..6 {
            if round == 2 || round == 3 {
                pace.leave(&lower);
            }
            pace.start(member()).await.unwrap();
            at.push(began.elapsed().as_millis());
        }
        // One a second while a member has this limit, then three.
        assert_eq!(at.iter().map(|at| at / 1050).collect::<Vec<_>>(), [0, 1, 2, 2, 2, 3], "{at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_those_who_wait_already() {
        let (pace, began) = (Arc::new(RateLimiter::default()), crate::clock::monotonic());
        for _ in 0..3 {
            pace.start(person(500)).await.unwrap();
        }
        let waiting = pace.clone();
        let task = tokio::spawn(async move { waiting.start(person(60_000)).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(pace.pause(None), Duration::from_secs(1));
        pace.pause(Some(Duration::from_secs(5)));
        task.await.unwrap().unwrap();
        assert!(began.elapsed() >= Duration::from_millis(5100), "{:?}", began.elapsed());
    }

    proptest! {
        #![proptest_config(crate::proptest_config::cases(64))]
        /// Whoever comes when, leaves when and is late by how much: no window holds more than its calls.
        #[test]
        fn no_window_ever_holds_more_starts_than_its_limit(
            calls in proptest::collection::vec((0_u64..3000, 200_u64..20_000, any::<bool>()), 1..60)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            let starts = runtime.block_on(async {
                let pace = Arc::new(RateLimiter::default());
                let tasks: Vec<_> = calls.into_iter().map(|(comes, within, job)| {
                    let pace = pace.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(comes)).await;
                        let priority = if job { Priority::Bulk } else { Priority::Interactive };
                        let started = pace.start(wish(LIMITS, within, priority)).await;
                        started.ok().map(|()| crate::clock::monotonic())
                    })
                }).collect();
                let mut starts = Vec::new();
                for task in tasks {
                    starts.extend(task.await.unwrap());
                }
                starts.sort();
                starts
            });
            prop_assert!(!starts.is_empty());
            for limit in LIMITS {
                for (index, at) in starts.iter().enumerate().skip(limit.calls) {
                    prop_assert!(*at - starts[index - limit.calls] >= limit.per);
                }
            }
        }
    }
}
