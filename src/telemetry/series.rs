//! The metrics: every series of `/metrics` is declared and fed here. `dashboard.json` and `alerts.yml` beside this file use them.
//!
//! Labels have few values: routes, codes, providers, never a tenant, a host or a person.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use metrics::{Counter, Gauge, Histogram, SharedString, Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::{ConnectionRefusal, LINES};
use crate::domain::{Provider, Timestamp};

/// A page is made at most so often, so that scrapes, which need no key, cost little.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// The upper bounds of durations, in seconds.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// A metric of `/metrics`.
#[derive(Debug)]
pub struct Series {
    pub name: &'static str,
    pub kind: SeriesKind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesKind {
    Counter,
    Gauge,
    /// Of seconds.
    Histogram,
}

macro_rules! declare {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(const $constant: &str = $name;)*

        /// Every metric.
        pub const SERIES: &[Series] = &[$(Series {
            name: $name,
            kind: SeriesKind::$kind,
            labels: &[$($label),*],
            help: $help,
        },)*];
    };
}

declare! {
    BUILD = Gauge "gateway_build_info" ["version"] "1, with the version of the running gateway.";
    REQUESTS = Counter "gateway_requests_total" ["route", "method", "status", "code"]
        "Requests by route template, status and problem code; without a code they succeeded. 499: the caller left.";
    REQUEST_TIME = Histogram "gateway_request_duration_seconds" ["route", "method"]
        "Time from the head of a request to its response; of an export, to its end.";
    REQUEST_PART = Histogram "gateway_request_part_seconds" ["route", "part"]
        "The parts of that time: waiting (permits, locks, rate limits, pauses before retries), upstream (calls to CRMs), own.";
    IN_FLIGHT = Gauge "gateway_requests_in_flight" [] "Requests that count against the limit of the process.";
    BUSIEST = Gauge "gateway_busiest_tenant_in_flight" [] "Requests in flight of the tenant that has most of them.";
    REFUSED = Counter "gateway_authentication_refusals_total" ["reason"]
        "Refused keys and tokens. Callers are not told the reason.";
    CALLS = Counter "gateway_upstream_calls_total" ["provider", "operation", "outcome"]
        "Calls to CRMs, with retries, by path template. The outcome is ok, unreadable, a class of statuses, or why there is no reply.";
    CALL_TIME = Histogram "gateway_upstream_call_duration_seconds" ["provider", "operation"]
        "Time of one call to a CRM, without waits.";
    RETRIES = Counter "gateway_upstream_retries_total" ["provider"] "Calls to CRMs that were sent again.";
    CLOCK = Gauge "gateway_upstream_clock_offset_seconds" ["provider"]
        "The gateway's clock minus the clock of the CRM's last reply. Far from 0 for all providers: the gateway's clock is wrong.";
    BREAKER_OPENED = Counter "gateway_breaker_opened_total" ["scope"]
        "How often calls to a host were paused after failures: for one tenant, or for all tenants (host).";
    BREAKERS = Gauge "gateway_breakers_open" ["scope"] "Hosts to which calls are paused after failures.";
    PAUSED = Gauge "gateway_upstream_paused_accounts" []
        "Accounts and rate limit groups whose calls are paused because the CRM responded with 429.";
    CREDENTIALS = Gauge "gateway_credentials" ["provider", "health"]
        "Credentials by the result of their last check or call: ok, failing, unknown.";
    HEALTH_CHANGES = Counter "gateway_credential_changes_total" ["provider", "health"]
        "How often a credential became ok or failing.";
    LEDGER = Gauge "gateway_ledger_rows" ["state"] "Writes under an Idempotency-Key by state.";
    OLDEST_OPEN = Gauge "gateway_ledger_oldest_open_seconds" []
        "Age of the oldest write of unknown outcome; 0 without one.";
    RECOVERY = Counter "gateway_recovery_outcomes_total" ["outcome"] "Lookups for lost creates by what they found.";
    QUOTA = Gauge "gateway_quota_used_ratio" ["quota"]
        "How much of its quota the tenant with the highest use has used, from 0 to 1.";
    AUDIT_PENDING = Gauge "gateway_audit_pending" [] "Audit records that are not stored yet.";
    AUDIT_UNSTORED = Counter "gateway_audit_unstored_total" [] "Audit records that could not be stored; they are in the log.";
    DATABASE_TIME = Histogram "gateway_database_duration_seconds" ["statement"]
        "Time of statements: read, write, or transaction, with the wait for a connection.";
    DATABASE_ERRORS = Counter "gateway_database_errors_total" ["reason"]
        "Statements that failed because of the database, by reason.";
    DATABASE_UP = Gauge "gateway_database_up" [] "1 if the database could be read at the last measurement.";
    CONNECTIONS = Gauge "gateway_connections" ["listener"] "Open connections of callers.";
    CONNECTIONS_REFUSED = Counter "gateway_connections_refused_total" ["listener", "reason"]
        "Connections that were ended before a request reached the API: malformed or too large heads, failed TLS handshakes.";
    SPANS_LOST = Counter "gateway_spans_lost_total" ["reason"]
        "Spans that did not reach the collector of traces: queue full, or not sent.";
    CERTIFICATE_EXPIRY = Gauge "gateway_tls_certificate_expiry_timestamp_seconds" []
        "Expiry of the listener's TLS certificate, as a Unix timestamp.";
    DROPPED = Counter "gateway_log_lines_dropped_total" [] "Log lines that were dropped because nobody read them.";
}

/// What a measurement of the process and the database shows.
#[derive(Debug, Default)]
pub struct Measurement {
    pub in_flight: usize,
    pub busiest_tenant: usize,
    /// Hosts paused for one tenant, and for all.
    pub breakers_open: [usize; 2],
    pub paused_accounts: usize,
    /// `None` if the database cannot be read: the last values stay.
    pub stored: Option<StoredMeasurement>,
}

#[derive(Debug, Default)]
pub struct StoredMeasurement {
    /// Provider, health, number.
    pub credentials: Vec<(String, &'static str, u64)>,
    /// State and number.
    pub ledger: Vec<(&'static str, u64)>,
    pub oldest_open: Duration,
    /// Quota and ratio.
    pub quotas: Vec<(&'static str, f64)>,
}

struct Exporter {
    handle: PrometheusHandle,
    page: Mutex<Option<(Instant, Bytes)>>,
    /// The labels of credentials that were shown, which become 0 when no credential has them any more.
    shown: Mutex<Vec<(String, &'static str)>>,
    // What each request feeds is looked up once: making a key takes ten times as many instructions as counting.
    routes: RwLock<HashMap<String, MethodSeries>>,
    operations: RwLock<HashMap<OperationKey, Arc<OperationSeries>>>,
    statements: [(&'static str, Histogram); 3],
}

/// The methods of one route.
type MethodSeries = Vec<(&'static str, Arc<RouteSeries>)>;

/// Provider, method, and template of the path.
type OperationKey = (&'static str, &'static str, &'static str);

/// The series of one route and method.
struct RouteSeries {
    total: Histogram,
    parts: [Histogram; 3],
    outcomes: Outcomes<(u16, &'static str)>,
}

/// The series of one operation of a CRM.
struct OperationSeries {
    time: Histogram,
    clock: Gauge,
    outcomes: Outcomes<&'static str>,
}

/// Counters by outcome.
struct Outcomes<K>(Mutex<Vec<(K, Counter)>>);

impl<K: PartialEq> Outcomes<K> {
    const fn none() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Counts an outcome; `make` makes the counter of a new one.
    fn count(&self, outcome: K, make: impl FnOnce() -> Counter) {
        let mut counters = self.0.lock();
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == outcome) {
            counter.increment(1);
            return;
        }
        let counter = make();
        counter.increment(1);
        counters.push((outcome, counter));
    }
}

impl Exporter {
    fn route(&self, route: &str, method: &'static str) -> Arc<RouteSeries> {
        if let Some(methods) = self.routes.read().get(route)
            && let Some((_, series)) = methods.iter().find(|(known, _)| *known == method)
        {
            return Arc::clone(series);
        }
        let label = SharedString::from(route.to_owned());
        let part = |part: &'static str| histogram!(REQUEST_PART, "route" => label.clone(), "part" => part);
        let series = Arc::new(RouteSeries {
            total: histogram!(REQUEST_TIME, "route" => label.clone(), "method" => method),
            parts: ["waiting", "upstream", "own"].map(part),
            outcomes: Outcomes::none(),
        });
        self.routes.write().entry(route.to_owned()).or_default().push((method, Arc::clone(&series)));
        series
    }

    fn operation(&self, key: OperationKey) -> Arc<OperationSeries> {
        if let Some(series) = self.operations.read().get(&key) {
            return Arc::clone(series);
        }
        let (provider, ..) = key;
        let series = Arc::new(OperationSeries {
            time: histogram!(CALL_TIME, "provider" => provider, "operation" => operation(key)),
            clock: gauge!(CLOCK, "provider" => provider),
            outcomes: Outcomes::none(),
        });
        self.operations.write().insert(key, Arc::clone(&series));
        series
    }
}

fn operation((_, method, template): OperationKey) -> String {
    format!("{method} {template}")
}

static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// Starts the metrics of this process. Without it, nothing is counted.
pub fn install() {
    EXPORTER.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets(&BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // There is no other recorder in this process.
        let _ = metrics::set_global_recorder(recorder);
        for Series { name, kind, labels: _, help } in SERIES {
            match kind {
                SeriesKind::Counter => metrics::describe_counter!(*name, *help),
                SeriesKind::Gauge => metrics::describe_gauge!(*name, *help),
                SeriesKind::Histogram => metrics::describe_histogram!(*name, Unit::Seconds, *help),
            }
        }
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        begin_at_zero();
        let statement = |name: &'static str| (name, histogram!(DATABASE_TIME, "statement" => name));
        Exporter {
            handle,
            page: Mutex::default(),
            shown: Mutex::default(),
            routes: RwLock::default(),
            operations: RwLock::default(),
            statements: ["read", "write", "transaction"].map(statement),
        }
    });
}

/// A counter that appears with its first event shows no increase at that event.
fn begin_at_zero() {
    for scope in ["tenant", "host"] {
        counter!(BREAKER_OPENED, "scope" => scope).absolute(0);
    }
    for reason in ["disk full", "database locked", "database file lost", "database unavailable"] {
        counter!(DATABASE_ERRORS, "reason" => reason).absolute(0);
    }
    for outcome in ["found", "ambiguous", "absent", "inconclusive"] {
        counter!(RECOVERY, "outcome" => outcome).absolute(0);
    }
    // The alert is about the API. The listener `ops` may not exist, and its series would be zero for ever.
    for refusal in ConnectionRefusal::ALL {
        counter!(CONNECTIONS_REFUSED, "listener" => "api", "reason" => refusal.as_str()).absolute(0);
    }
    for reason in [SpanLoss::QueueFull, SpanLoss::NotSent] {
        counter!(SPANS_LOST, "reason" => reason.as_str()).absolute(0);
    }
    counter!(AUDIT_UNSTORED).absolute(0);
    counter!(DROPPED).absolute(0);
    gauge!(AUDIT_PENDING).set(0.0);
}

/// The page of all metrics in Prometheus's text format; empty before [`install`].
pub fn page() -> Bytes {
    let Some(exporter) = EXPORTER.get() else { return Bytes::new() };
    let mut page = exporter.page.lock();
    let now = crate::clock::monotonic();
    if let Some((made_at, page)) = &*page
        && now.duration_since(*made_at) < FRESH_FOR
    {
        return page.clone();
    }
    counter!(DROPPED).absolute(LINES.lost());
    let made = Bytes::from(exporter.handle.render());
    *page = Some((now, made.clone()));
    made
}

/// Frees the memory of recorded durations. Call it every few seconds, as they pile up while nobody scrapes.
pub fn tidy_up() {
    if let Some(exporter) = EXPORTER.get() {
        exporter.handle.run_upkeep();
    }
}

/// A request that has ended.
pub struct RequestTimes {
    pub total: Duration,
    pub waited: Duration,
    pub upstream: Duration,
}

pub fn request(route: &str, method: &'static str, status: u16, code: &'static str, times: &RequestTimes) {
    let Some(exporter) = EXPORTER.get() else { return };
    let series = exporter.route(route, method);
    series.outcomes.count((status, code), || {
        let (route, status) = (route.to_owned(), status.to_string());
        counter!(REQUESTS, "route" => route, "method" => method, "status" => status, "code" => code)
    });
    let RequestTimes { total, waited, upstream } = *times;
    series.total.record(total);
    let own = total.saturating_sub(waited).saturating_sub(upstream);
    for (part, time) in series.parts.iter().zip([waited, upstream, own]) {
        part.record(time);
    }
}

pub fn refused(reason: &'static str) {
    counter!(REFUSED, "reason" => reason).increment(1);
}

/// A call to a CRM.
pub struct UpstreamCall<'a> {
    pub provider: Provider,
    pub method: &'a http::Method,
    pub template: &'static str,
    /// The status of the reply, or why there is none.
    pub outcome: Result<u16, &'static str>,
    pub took: Duration,
    /// This machine's clock minus that of the CRM, whose header `Date` has whole seconds.
    pub clock_offset: Option<f64>,
}

/// A call to a CRM whose outcome is counted when this is dropped.
pub struct CountedCall {
    series: Arc<OperationSeries>,
    key: OperationKey,
    outcome: &'static str,
    is_unreadable: AtomicBool,
}

impl CountedCall {
    /// The reply is not what the CRM documents.
    pub fn note_unreadable(&self) {
        self.is_unreadable.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for CountedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountedCall")
    }
}

impl Drop for CountedCall {
    fn drop(&mut self) {
        let Self { series, key, outcome, is_unreadable } = self;
        let outcome = if *is_unreadable.get_mut() { "unreadable" } else { *outcome };
        series.outcomes.count(
            outcome,
            || counter!(CALLS, "provider" => key.0, "operation" => operation(*key), "outcome" => outcome),
        );
    }
}

/// Notes the time of a call. Its outcome is counted when the result is dropped: a reply with a good status is not read yet.
pub fn upstream_call(call: &UpstreamCall<'_>) -> Option<CountedCall> {
    let exporter = EXPORTER.get()?;
    let UpstreamCall { provider, method, template, outcome, took, clock_offset } = call;
    let outcome = match *outcome {
        Ok(200..=299) => "ok",
        Ok(401) => "unauthorized",
        Ok(403) => "forbidden",
        Ok(404) => "not found",
        Ok(429) => "rate limited",
        Ok(400..=499) => "other 4xx",
        Ok(500..=599) => "5xx",
        Ok(_) => "other status",
        Err(cause) => cause,
    };
    let key = (provider.as_str(), known_method(method.as_str()), *template);
    let series = exporter.operation(key);
    series.time.record(*took);
    if let Some(offset) = clock_offset {
        series.clock.set(*offset);
    }
    Some(CountedCall { series, key, outcome, is_unreadable: AtomicBool::new(false) })
}

pub fn upstream_retry(provider: Provider) {
    counter!(RETRIES, "provider" => provider.as_str()).increment(1);
}

/// `scope` is `tenant` or `host`.
pub fn breaker_opened(scope: &'static str) {
    counter!(BREAKER_OPENED, "scope" => scope).increment(1);
}

pub fn credential_changed(provider: Provider, ok: bool) {
    counter!(HEALTH_CHANGES, "provider" => provider.as_str(), "health" => if ok { "ok" } else { "failing" })
        .increment(1);
}

pub fn recovery_outcome(outcome: &'static str) {
    counter!(RECOVERY, "outcome" => outcome).increment(1);
}

/// An audit record that is counted as pending until this is dropped.
pub struct PendingAudit(());

impl PendingAudit {
    #[must_use]
    pub fn begin() -> Self {
        gauge!(AUDIT_PENDING).increment(1.0);
        Self(())
    }
}

impl Drop for PendingAudit {
    fn drop(&mut self) {
        gauge!(AUDIT_PENDING).decrement(1.0);
    }
}

pub fn audit_unstored() {
    counter!(AUDIT_UNSTORED).increment(1);
}

/// `statement` is `read`, `write` or `transaction`.
pub fn database_statement(statement: &'static str, began: Instant) {
    let Some(exporter) = EXPORTER.get() else { return };
    if let Some((_, time)) = exporter.statements.iter().find(|(name, _)| *name == statement) {
        time.record(began.elapsed());
    }
}

pub fn database_error(reason: &'static str) {
    counter!(DATABASE_ERRORS, "reason" => reason).increment(1);
}

/// A connection that is counted until this is dropped.
pub struct CountedConnection(&'static str);

impl CountedConnection {
    /// `listener` is `api` or `ops`.
    #[must_use]
    pub fn open(listener: &'static str) -> Self {
        gauge!(CONNECTIONS, "listener" => listener).increment(1.0);
        Self(listener)
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        gauge!(CONNECTIONS, "listener" => self.0).decrement(1.0);
    }
}

/// `listener` is `api` or `ops`.
pub(super) fn connection_refused(listener: &'static str, reason: &'static str) {
    counter!(CONNECTIONS_REFUSED, "listener" => listener, "reason" => reason).increment(1);
}

/// Why spans did not reach the collector.
#[derive(Clone, Copy)]
pub(super) enum SpanLoss {
    /// More were made than could be sent.
    QueueFull,
    /// The collector did not accept them.
    NotSent,
}

impl SpanLoss {
    const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue full",
            Self::NotSent => "not sent",
        }
    }
}

#[cfg(feature = "otel")]
pub(super) fn spans_lost(reason: SpanLoss, count: usize) {
    counter!(SPANS_LOST, "reason" => reason.as_str()).increment(u64::try_from(count).unwrap_or(u64::MAX));
}

/// Shows when the listener's certificate expires, if that is known.
pub fn certificate_expires(at: Option<Timestamp>) {
    gauge!(CERTIFICATE_EXPIRY).set(at.map_or(f64::NAN, |at| at.as_duration().as_secs_f64()));
}

/// Shows what was measured.
pub fn measured(measurement: &Measurement) {
    let Some(exporter) = EXPORTER.get() else { return };
    let Measurement { in_flight, busiest_tenant, breakers_open, paused_accounts, stored } = measurement;
    gauge!(IN_FLIGHT).set(number(*in_flight));
    gauge!(BUSIEST).set(number(*busiest_tenant));
    for (scope, open) in ["tenant", "host"].into_iter().zip(breakers_open) {
        gauge!(BREAKERS, "scope" => scope).set(number(*open));
    }
    gauge!(PAUSED).set(number(*paused_accounts));
    gauge!(DATABASE_UP).set(if stored.is_some() { 1.0 } else { 0.0 });
    let Some(StoredMeasurement { credentials, ledger, oldest_open, quotas }) = stored else { return };
    let mut shown = exporter.shown.lock();
    for (provider, health) in shown.drain(..) {
        gauge!(CREDENTIALS, "provider" => provider, "health" => health).set(0.0);
    }
    for (provider, health, count) in credentials {
        gauge!(CREDENTIALS, "provider" => provider.clone(), "health" => *health).set(number(*count));
        shown.push((provider.clone(), health));
    }
    for (state, count) in ledger {
        gauge!(LEDGER, "state" => *state).set(number(*count));
    }
    gauge!(OLDEST_OPEN).set(oldest_open.as_secs_f64());
    for (quota, ratio) in quotas {
        gauge!(QUOTA, "quota" => *quota).set(*ratio);
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count comes near 2^52")]
fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

/// A caller can send any method; each would be a new series.
pub fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::SERIES;
    use crate::domain::FailureKind;

    /// A metric that nobody looks at costs and helps nobody; one that is not declared does not exist.
    #[test]
    fn the_dashboard_and_the_alerts_use_every_metric_and_no_other() {
        let used = concat!(include_str!("dashboard.json"), include_str!("alerts.yml"));
        for series in SERIES {
            assert!(used.contains(series.name), "{} is not used", series.name);
        }
        let names = used.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let is_code = |name: &str| FailureKind::ALL.iter().any(|kind| kind.code() == name);
        for name in names.filter(|name| name.starts_with("gateway_") && !is_code(name)) {
            let of = |series: &super::Series| {
                name.strip_prefix(series.name)
                    .is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
            };
            assert!(SERIES.iter().any(of), "{name} is not declared");
        }
    }
}
