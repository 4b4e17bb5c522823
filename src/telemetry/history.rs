//! The requests of the last hour and the last failures, in the memory of this process, for the operator page.
//!
//! Its size is fixed: a success only counts, and of failures the last [`FAILURES_MOST`] are kept, with short texts. All of it
//! is at most 512 KiB.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::AccessEntry;
use crate::domain::{AttemptFacts, FailureKind, Origin, Principal, TenantId, Text, Timestamp};

/// How many failures are kept.
pub const FAILURES_MOST: usize = 200;
/// The minutes that are kept, with the current one.
pub const MINUTES: usize = 60;
/// The most bytes of a whole history.
#[cfg(test)]
const BYTES_MOST: usize = 512 * 1024;
/// The most bytes of each text of a failure.
const TEXT_MOST: usize = 128;
/// The most credentials of a failure that are named. A search has up to 50.
const NAMED_MOST: usize = 3;
/// How long an export takes depends on who reads it.
const UNTIMED_ROUTE: &str = "/crm/contacts/export";
/// The kinds of failures, and one for failures without a kind, such as a caller who left.
const KINDS: usize = FailureKind::ALL.len() + 1;
/// Buckets of durations: four for each power of two of microseconds, from 64 µs to 134 s.
const BUCKETS: usize = 84;
const FIRST_OCTAVE: u32 = 6;

/// What this process did since it started.
pub struct RequestHistory {
    /// The name of the machine.
    pub replica: Text,
    pub started_at: Timestamp,
    began: Instant,
    kept: Mutex<KeptRequests>,
}

impl Default for RequestHistory {
    fn default() -> Self {
        Self::begin(Text::from_static("this process"))
    }
}

/// A copy of a history.
pub struct HistorySnapshot {
    /// The oldest first; the last is the current one.
    pub minutes: Vec<MinuteCounts>,
    /// The newest first.
    pub failures: Vec<Arc<FailedRequest>>,
}

/// The requests that ended in one minute.
#[derive(Clone)]
pub struct MinuteCounts {
    /// When it began.
    pub began: Timestamp,
    pub requests: u64,
    /// Failures by whose fault they are, in the order of [`Origin::ALL`].
    pub failed: [u64; Origin::ALL.len()],
    /// The requests whose durations count.
    pub timed: u64,
    /// The sum of their durations, and of the parts spent in CRMs and waiting. Concurrent calls of one request are added
    /// up, capped at the request's duration.
    pub total: Duration,
    pub upstream: Duration,
    pub waited: Duration,
    buckets: [u32; BUCKETS],
    kinds: [u32; KINDS],
}

/// A request that failed.
#[derive(Debug)]
pub struct FailedRequest {
    pub at: Timestamp,
    pub method: &'static str,
    /// The route's template.
    pub route: Text,
    pub status: u16,
    /// `None` for a caller who left.
    pub failure: Option<FailureKind>,
    pub reason: Option<&'static str>,
    pub took: Duration,
    pub waited: Duration,
    pub upstream: Duration,
    pub attempts: u32,
    pub attempt: Option<AttemptFacts>,
    pub tenant: Option<TenantId>,
    /// The key's id, or the issuer of the token, or `operator`.
    pub caller: Option<Text>,
    /// The first credentials, and how many more there are.
    pub credentials: Vec<Text>,
    pub credentials_omitted: usize,
    pub request_id: Text,
}

struct KeptRequests {
    /// By minute, modulo their number.
    minutes: Vec<(u64, MinuteCounts)>,
    /// The oldest first.
    failures: VecDeque<Arc<FailedRequest>>,
    /// How many of the failures are of each tenant.
    of_tenants: HashMap<Option<TenantId>, usize>,
}

impl RequestHistory {
    /// An empty history of the process on `replica`.
    #[must_use]
    pub fn begin(replica: Text) -> Self {
        let started_at = crate::clock::now();
        let minutes = vec![(0, MinuteCounts::none(started_at)); MINUTES];
        let kept = KeptRequests {
            minutes,
            failures: VecDeque::with_capacity(FAILURES_MOST),
            of_tenants: HashMap::new(),
        };
        Self { replica, started_at, began: crate::clock::monotonic(), kept: Mutex::new(kept) }
    }

    /// Counts a request of the API that has ended, and keeps it if it failed.
    pub fn record(&self, entry: &AccessEntry<'_>) {
        // A preflight of a browser is not a request of an app.
        if !is_of_api(entry.route) || entry.method == "OPTIONS" {
            return;
        }
        let minute = self.minute();
        let failed = is_failed(entry).then(|| FailedRequest::of(entry));
        let mut kept = self.kept.lock();
        let (numbered, counts) = &mut kept.minutes[slot(minute)];
        if *numbered != minute {
            (*numbered, *counts) = (minute, MinuteCounts::none(self.started_at));
        }
        counts.count(entry);
        if let Some(failed) = failed {
            kept.keep(failed);
        }
    }

    /// What is kept now.
    #[must_use]
    pub fn snapshot(&self) -> HistorySnapshot {
        let (now, elapsed, current) = (crate::clock::now(), self.began.elapsed(), self.minute());
        let kept = self.kept.lock();
        let first = current.saturating_sub(MINUTES as u64 - 1);
        let minutes = (first..=current).map(|minute| {
            // By the monotonic clock, so that a jump of the other moves no request to another minute.
            let began = elapsed.saturating_sub(Duration::from_mins(minute));
            let began = now.checked_sub(began).unwrap_or(now);
            let (numbered, counts) = &kept.minutes[slot(minute)];
            let counts = if *numbered == minute { counts.clone() } else { MinuteCounts::none(began) };
            MinuteCounts { began, ..counts }
        });
        HistorySnapshot {
            minutes: minutes.collect(),
            failures: kept.failures.iter().rev().cloned().collect(),
        }
    }

    fn minute(&self) -> u64 {
        self.began.elapsed().as_secs() / 60
    }
}

fn slot(minute: u64) -> usize {
    usize::try_from(minute % MINUTES as u64).unwrap_or_default()
}

/// Health checks, scrapes, the documentation and the operator page itself are not what callers ask for.
fn is_of_api(route: &str) -> bool {
    ["/crm", "/credentials", "/providers", "/admin"].iter().any(|part| route.starts_with(part))
        || route == "none"
}

fn is_failed(entry: &AccessEntry<'_>) -> bool {
    entry.status >= 400 || entry.facts.failure.is_some()
}

/// Whose fault a failure is. Without a kind, the caller left before the response.
#[must_use]
pub const fn origin_of(failure: Option<FailureKind>, status: u16) -> Origin {
    match failure {
        Some(kind) => kind.origin(),
        None if status >= 500 => Origin::Gateway,
        None => Origin::Caller,
    }
}

impl KeptRequests {
    /// Keeps a failure. If there are too many, the oldest of the tenant with the most is dropped, so that a flood of one
    /// tenant, or of strangers, does not hide the failures of the others.
    fn keep(&mut self, failed: FailedRequest) {
        if self.failures.len() >= FAILURES_MOST {
            let most =
                self.of_tenants.iter().max_by_key(|(_, count)| **count).map(|(tenant, _)| tenant.clone());
            let oldest = most.and_then(|tenant| self.failures.iter().position(|kept| kept.tenant == tenant));
            if let Some(dropped) = self.failures.remove(oldest.unwrap_or_default())
                && let Some(count) = self.of_tenants.get_mut(&dropped.tenant)
            {
                *count -= 1;
                if *count == 0 {
                    self.of_tenants.remove(&dropped.tenant);
                }
            }
        }
        *self.of_tenants.entry(failed.tenant.clone()).or_default() += 1;
        self.failures.push_back(Arc::new(failed));
    }
}

impl MinuteCounts {
    const fn none(began: Timestamp) -> Self {
        let (failed, buckets, kinds) = ([0; Origin::ALL.len()], [0; BUCKETS], [0; KINDS]);
        let (total, upstream, waited) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        Self { began, requests: 0, failed, timed: 0, total, upstream, waited, buckets, kinds }
    }

    fn count(&mut self, entry: &AccessEntry<'_>) {
        self.requests += 1;
        if is_failed(entry) {
            let failure = entry.facts.failure;
            self.failed[origin_index(origin_of(failure, entry.status))] += 1;
            self.kinds[kind_index(failure)] += 1;
        }
        if entry.route != UNTIMED_ROUTE {
            let upstream = entry.facts.upstream.min(entry.took);
            self.timed += 1;
            self.total += entry.took;
            self.upstream += upstream;
            self.waited += entry.facts.waited.min(entry.took.saturating_sub(upstream));
            self.buckets[bucket_of(entry.took)] += 1;
        }
    }

    /// The sum of several minutes, shown at `now`.
    #[must_use]
    pub fn of(minutes: &[Self], now: Timestamp) -> Self {
        minutes.iter().fold(Self::none(now), |mut sum, minute| {
            sum.add(minute);
            sum
        })
    }

    fn add(&mut self, other: &Self) {
        let Self { began: _, requests, failed, timed, total, upstream, waited, buckets, kinds } = other;
        self.requests += requests;
        self.timed += timed;
        self.total += *total;
        self.upstream += *upstream;
        self.waited += *waited;
        for (sum, count) in self.failed.iter_mut().zip(failed) {
            *sum += count;
        }
        for (sum, count) in self.buckets.iter_mut().zip(buckets).chain(self.kinds.iter_mut().zip(kinds)) {
            *sum = sum.saturating_add(*count);
        }
    }

    /// The requests that failed by the fault of `origin`.
    #[must_use]
    pub fn failed_by(&self, origin: Origin) -> u64 {
        self.failed[origin_index(origin)]
    }

    /// The duration that 95 % of the requests did not exceed, to about a fifth; `None` without requests.
    #[must_use]
    pub fn p95(&self) -> Option<Duration> {
        let rank = (self.timed * 95).div_ceil(100);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        bucket.filter(|_| self.timed > 0).map(upper_bound)
    }

    /// How many requests failed of each kind, the most frequent first. `None` are callers who left.
    #[must_use]
    pub fn by_kind(&self) -> Vec<(Option<FailureKind>, u32)> {
        let kinds = FailureKind::ALL.iter().copied().map(Some).chain([None]);
        let mut counts: Vec<_> = kinds.map(|kind| (kind, self.kinds[kind_index(kind)])).collect();
        counts.retain(|(_, count)| *count > 0);
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

/// Failures without a kind come last.
fn kind_index(kind: Option<FailureKind>) -> usize {
    kind.map_or(KINDS - 1, |kind| kind as usize)
}

fn origin_index(origin: Origin) -> usize {
    Origin::ALL.iter().position(|known| *known == origin).unwrap_or_default()
}

fn bucket_of(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1 << FIRST_OCTAVE);
    let octave = micros.ilog2();
    let quarter = (micros >> (octave - 2)) & 3;
    let bucket = u64::from(octave - FIRST_OCTAVE) * 4 + quarter;
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> Duration {
    let (octave, quarter) = (FIRST_OCTAVE as usize + bucket / 4, bucket as u64 % 4);
    Duration::from_micros((1 << octave) + ((quarter + 1) << (octave - 2)))
}

impl FailedRequest {
    fn of(entry: &AccessEntry<'_>) -> Self {
        let AccessEntry { method, route, status, took, client: _, request_id, trace_id: _, facts } = entry;
        let attempt = facts.attempt.as_ref();
        let caller = facts.principal.as_ref().map(|principal| match principal {
            Principal::Key(id) => short(id.as_str()),
            // A token's subject may identify a person.
            Principal::Token { issuer, subject: _ } => short(issuer),
            Principal::Operator | Principal::CommandLine => Text::from_static("operator"),
        });
        let named = facts.credentials.iter().take(NAMED_MOST).map(|(id, _)| short(id.as_str()));
        Self {
            at: crate::clock::now(),
            method,
            route: short(route),
            status: *status,
            failure: facts.failure,
            reason: facts.reason,
            took: *took,
            waited: facts.waited,
            upstream: facts.upstream,
            attempts: facts.attempts,
            attempt: attempt.map(|attempt| AttemptFacts { host: short(&attempt.host), ..attempt.clone() }),
            tenant: facts.tenant.as_ref().map(|tenant| TenantId::from(short(tenant.as_str()))),
            caller,
            credentials: named.collect(),
            credentials_omitted: facts.credentials.len().saturating_sub(NAMED_MOST),
            request_id: short(request_id),
        }
    }
}

/// A copy, which keeps no larger text in memory.
fn short(text: &str) -> Text {
    Text::from(&text[..text.floor_char_boundary(TEXT_MOST)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CredentialId, Failure, Provider, RequestFacts, RequestRecord};

    const LIST: &str = "/crm/contacts";

    fn entry<'a>(route: &'a str, status: u16, took: u64, facts: &'a RequestFacts) -> AccessEntry<'a> {
        let took = Duration::from_millis(took);
        AccessEntry {
            method: "GET",
            route,
            status,
            took,
            client: None,
            request_id: "id",
            trace_id: None,
            facts,
        }
    }

    fn failed(kind: FailureKind, tenant: &str) -> RequestFacts {
        RequestFacts { failure: Some(kind), tenant: Some(tenant.into()), ..RequestFacts::default() }
    }

    fn sum(snapshot: &HistorySnapshot) -> MinuteCounts {
        MinuteCounts::of(&snapshot.minutes, crate::clock::now())
    }

    #[tokio::test(start_paused = true)]
    async fn each_minute_counts_its_own_requests_and_an_hour_is_kept() {
        let history = RequestHistory::default();
        let facts = RequestFacts::default();
        for minute in 0..90_u64 {
            for _ in 0..=minute {
                history.record(&entry(LIST, 200, 5, &facts));
            }
            tokio::time::advance(Duration::from_mins(1)).await;
        }
        let snapshot = history.snapshot();
        let counts: Vec<u64> = snapshot.minutes.iter().map(|minute| minute.requests).collect();
        let expected: Vec<u64> = (32..=90).chain([0]).collect();
        assert_eq!(counts, expected);
        let apart = snapshot.minutes[1].began.duration_since(snapshot.minutes[0].began);
        assert_eq!(apart.as_secs(), 60);
        tokio::time::advance(Duration::from_hours(9)).await;
        assert_eq!(sum(&history.snapshot()).requests, 0, "they are too old");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_count_for_whose_fault_they_are_and_durations_for_where_they_were_spent() {
        let history = RequestHistory::default();
        let spent = |waited, upstream| RequestFacts {
            waited: Duration::from_millis(waited),
            upstream: Duration::from_millis(upstream),
            ..RequestFacts::default()
        };
        history.record(&entry(LIST, 200, 100, &spent(10, 70)));
        // A search calls several CRMs at the same time.
        history.record(&entry("/crm/contacts/search", 200, 100, &spent(30, 150)));
        for (kind, status) in [
            (FailureKind::UpstreamTls, 502),
            (FailureKind::UpstreamTls, 502),
            (FailureKind::ContactNotFound, 404),
            (FailureKind::StoreUnavailable, 503),
        ] {
            history.record(&entry(LIST, status, 100, &failed(kind, "ten_1")));
        }
        history.record(&entry(LIST, 499, 100, &RequestFacts::default()));
        // An export that ended with a failure, minutes after its status.
        history.record(&entry(UNTIMED_ROUTE, 200, 600_000, &failed(FailureKind::UpstreamError, "ten_1")));
        for quiet in ["/readyz", "/metrics", "/ops", "/ops/check", "/docs/errors", "/"] {
            history.record(&entry(quiet, 503, 1, &failed(FailureKind::StoreUnavailable, "ten_1")));
        }
        let sum = sum(&history.snapshot());
        assert_eq!((sum.requests, sum.timed), (8, 7));
        let of = [Origin::Caller, Origin::Gateway, Origin::Upstream].map(|origin| sum.failed_by(origin));
        assert_eq!(of, [2, 1, 3]);
        let times = [sum.total, sum.upstream, sum.waited].map(|time| time.as_millis());
        assert_eq!(times, [700, 170, 10], "the parts of one request are no more than the whole");
        assert_eq!(
            sum.by_kind().first(),
            Some(&(Some(FailureKind::UpstreamTls), 2)),
            "the most frequent is the first"
        );
        assert_eq!(sum.by_kind().iter().map(|(_, count)| count).sum::<u32>(), 6);
        assert!(sum.by_kind().contains(&(None, 1)), "the caller who left");
        assert_eq!(history.snapshot().failures.len(), 6);
    }

    #[test]
    fn the_95th_percentile_is_the_end_of_a_bucket_that_is_a_fifth_wide_at_most() {
        for micros in [1, 64, 65, 999, 1_000, 65_536, 1_234_567, 100_000_000] {
            let took = Duration::from_micros(micros);
            let end = upper_bound(bucket_of(took));
            assert!(end > took, "{took:?} {end:?}");
            assert!(micros < 80 || end.as_secs_f64() < took.as_secs_f64() * 1.26, "{took:?} {end:?}");
        }
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
        let mut counts = MinuteCounts::none(crate::clock::now());
        assert_eq!(counts.p95(), None);
        let facts = RequestFacts::default();
        for took in 1..=100 {
            counts.count(&entry(LIST, 200, if took > 95 { 9_000 } else { 10 }, &facts));
        }
        assert!(counts.p95() < Some(Duration::from_millis(13)), "{:?}", counts.p95());
        counts.count(&entry(LIST, 200, 9_000, &facts));
        assert!(counts.p95() > Some(Duration::from_secs(9)), "{:?}", counts.p95());
    }

    #[test]
    fn what_no_app_asks_for_is_not_counted() {
        let (history, facts) = (RequestHistory::default(), RequestFacts::default());
        for (route, method) in
            [("/readyz", "GET"), ("/docs/", "GET"), ("/ops", "POST"), (LIST, "OPTIONS"), ("none", "OPTIONS")]
        {
            history.record(&AccessEntry { method, ..entry(route, 200, 1, &facts) });
        }
        let counted = |history: &RequestHistory| {
            history.snapshot().minutes.iter().map(|minute| minute.requests).sum::<u64>()
        };
        assert_eq!(counted(&history), 0);
        history.record(&entry(LIST, 200, 1, &facts));
        history.record(&entry("none", 404, 1, &facts));
        assert_eq!(counted(&history), 2);
    }

    #[test]
    fn a_flood_of_one_tenant_or_of_strangers_does_not_hide_the_failures_of_others() {
        let history = RequestHistory::default();
        let record = |kind, tenant: &str, times: usize| {
            for _ in 0..times {
                history.record(&entry(LIST, 502, 1, &failed(kind, tenant)));
            }
        };
        record(FailureKind::UpstreamTls, "ten_quiet", 3);
        record(FailureKind::RateLimited, "ten_loud", 5_000);
        let stranger =
            RequestFacts { failure: Some(FailureKind::Unauthenticated), ..RequestFacts::default() };
        for _ in 0..5_000 {
            history.record(&entry("none", 404, 1, &stranger));
        }
        let failures = history.snapshot().failures;
        let of = |tenant: Option<&str>| {
            failures.iter().filter(|failed| failed.tenant.as_ref().map(TenantId::as_str) == tenant).count()
        };
        assert_eq!(failures.len(), FAILURES_MOST);
        assert_eq!(of(Some("ten_quiet")), 3);
        assert!(of(Some("ten_loud")) >= 98 && of(None) >= 98, "{} {}", of(Some("ten_loud")), of(None));
        assert!(failures[0].tenant.is_none() && failures.windows(2).all(|two| two[0].at >= two[1].at));
    }

    /// The bytes of a failure on the heap.
    fn bytes_of(failed: &FailedRequest) -> usize {
        let texts = [&failed.route, &failed.request_id].into_iter().chain(&failed.credentials);
        let texts = texts.chain(&failed.caller).chain(failed.attempt.as_ref().map(|attempt| &attempt.host));
        let texts: usize = texts.map(|text| text.len()).sum();
        let tenant = failed.tenant.as_ref().map_or(0, |tenant| tenant.as_str().len());
        size_of::<FailedRequest>() + failed.credentials.capacity() * size_of::<Text>() + texts + tenant
    }

    #[test]
    fn however_many_and_large_requests_are_the_history_stays_small() {
        let history = RequestHistory::default();
        let long = "x".repeat(100_000);
        for number in 0..3_000 {
            let record = RequestRecord::begin(None);
            for credential in 0..50 {
                let id = CredentialId::from(format!("{credential}{long}"));
                record.note_credential(&id, Provider::new("aptly"));
            }
            record.note_failure(&Failure::new(FailureKind::UpstreamTls, "x"));
            let (host, cause) = (Text::from(long.as_str()), Some("connection refused"));
            record.note_attempt(Duration::from_secs(1), AttemptFacts { host, status: None, cause });
            let tenant = Some(format!("ten_{number}{long}").into());
            let facts = RequestFacts {
                tenant,
                principal: Some(Principal::Key(long.as_str().into())),
                ..record.facts()
            };
            let id = format!("é{long}");
            let method = crate::telemetry::series::known_method(&long);
            history.record(&AccessEntry { request_id: &id, method, ..entry(LIST, 502, 1, &facts) });
        }
        let kept = history.kept.lock();
        assert_eq!((kept.failures.len(), kept.of_tenants.len()), (FAILURES_MOST, FAILURES_MOST));
        let failures: usize = kept.failures.iter().map(|failed| bytes_of(failed)).sum();
        let minutes = kept.minutes.capacity() * size_of::<(u64, MinuteCounts)>();
        // The keys of the map share the bytes of the failures.
        let map = kept.of_tenants.capacity() * (size_of::<(Option<TenantId>, usize)>() + 1);
        let queue = kept.failures.capacity() * size_of::<Arc<FailedRequest>>();
        let all = failures + minutes + map + queue;
        assert!(all < BYTES_MOST && failures > 50_000, "{all}: {failures} {minutes} {map} {queue}");
        let named = &kept.failures[0];
        assert_eq!((named.credentials.len(), named.credentials_omitted, named.method), (3, 47, "other"));
    }
}
