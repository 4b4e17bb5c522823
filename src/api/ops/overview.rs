//! The operator page as a whole: what this process did, and the state of the database.

use std::fmt::Write as _;

use super::chart::BarChart;
use super::frame::{OpsFrame, scrolled};
use super::lists;
use super::parameters::{OpsList, OpsParameters};
use super::texts::{at, between, count, counted, lasting, minute_of, percent, took};
use super::{failures, texts};
use crate::api::AppState;
use crate::api::docs::escaped;
use crate::domain::{FailureKind, Origin, Text, Timestamp};
use crate::gateway::overview::{Overview, OverviewRanges, Stage};
use crate::telemetry::history::{HistorySnapshot, MinuteCounts};

const REFRESH_SECONDS: u32 = 30;
/// How many of the paused hosts are named.
const PAUSED_NAMED: usize = 5;

/// The page.
pub(super) async fn page(state: &AppState, parameters: &OpsParameters) -> OpsFrame {
    let ranges = OverviewRanges {
        writes: parameters.range(OpsList::Writes),
        credentials: parameters.range(OpsList::Credentials),
        tenants: parameters.range(OpsList::Tenants),
    };
    let history = state.history.snapshot();
    let tenants = failures::tenants(&history);
    let (stored, ready) = tokio::join!(state.gateway.overview(&ranges, &tenants), (state.readiness)());
    let now = crate::clock::now();
    let sum = MinuteCounts::of(&history.minutes, now);
    let readiness = ready.err().map(|failure| failure.kind);
    let body = [
        head(state, parameters, now),
        tiles(state, &stored, &sum, readiness, now),
        section("traffic", "Traffic", &traffic(&history, &sum)),
        section("codes", "Failures by code", &failures::by_code(&sum)),
        section("failures", "Last failures", &failures::last(&history, &stored.names)),
        section("writes", "Open writes", &lists::writes(&stored.writes, &stored.totals, parameters)),
        section(
            "credentials",
            "Credentials",
            &lists::credentials(&stored.credentials, &stored.totals, parameters, now),
        ),
        section("tenants", "Tenants", &lists::tenants(&stored.tenants, &stored.totals, parameters)),
    ];
    OpsFrame { title: "Operator page", up: "", refresh: parameters.refresh, body: body.concat() }
}

fn section(anchor: &str, title: &str, html: &str) -> String {
    format!(
        "<section id=\"{anchor}\" aria-labelledby=\"{anchor}-title\">\n<h2 id=\"{anchor}-title\">{title}</h2>\n{html}</section>\n"
    )
}

fn head(state: &AppState, parameters: &OpsParameters, now: Timestamp) -> String {
    let history = &state.history;
    let again = if let Some(seconds) = parameters.refresh {
        let once = parameters.with_refresh(None);
        format!("<a href=\"ops{}\">Stop reloading every {seconds} s</a>", escaped(&once.query()))
    } else {
        let often = parameters.with_refresh(Some(REFRESH_SECONDS));
        format!("<a href=\"ops{}\">Reload every {REFRESH_SECONDS} s</a>", escaped(&often.query()))
    };
    format!(
        "<h1>Operator page</h1>\n<p class=\"lead\">Replica <b>{}</b>, version {}, started {} ago ({}). \
         Rendered <time datetime=\"{now}\">{}</time>.</p>\n\
         <div class=\"actions\"><a class=\"button\" href=\"ops{}\">Reload</a>{again}\
         <form method=\"post\" action=\"ops/sign-out\"><button class=\"button plain\">Sign out</button></form></div>\n\
         <p class=\"hint\">Traffic and failures are those of this process since its start, at most of the last hour. Health checks, \
         scrapes, the documentation and this page are not counted. Open writes, credentials and tenants come from the database, and \
         are the same on all replicas.</p>\n\
         <nav class=\"sections\" aria-label=\"Sections\"><a href=\"#traffic\">Traffic</a><a href=\"#codes\">Failures by code</a>\
         <a href=\"#failures\">Last failures</a><a href=\"#writes\">Open writes</a><a href=\"#credentials\">Credentials</a>\
         <a href=\"#tenants\">Tenants</a></nav>\n",
        escaped(&history.replica),
        env!("CARGO_PKG_VERSION"),
        lasting(between(history.started_at, now)),
        at(history.started_at),
        at(now),
        escaped(&parameters.query()),
    )
}

/// The state in a few words and numbers.
fn tiles(
    state: &AppState,
    stored: &Overview,
    sum: &MinuteCounts,
    readiness: Option<FailureKind>,
    now: Timestamp,
) -> String {
    let mut html = String::from("<dl class=\"tiles\">\n");
    let mut tile = |name: &str, value: &str, hint: &str, is_bad: bool| {
        let class = if is_bad { " class=\"bad\"" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(
            html,
            "<div{class}><dt>{name}</dt><dd>{value} <span class=\"hint\">{hint}</span></dd></div>"
        );
    };
    let in_flight = format!("{} in flight", count(state.admission.in_flight().0 as u64));
    match readiness {
        Some(kind) => tile("State", "not ready", kind.code(), true),
        None if stored.is_full => tile("State", "disk full", "writes are refused", true),
        None => tile("State", "ready", &in_flight, false),
    }
    tile("Requests", &count(sum.requests), "in the last hour", false);
    let failed = failures::not_of_callers(sum);
    let hint = format!("{}, by the gateway or a CRM", counted(failed, "request", "requests"));
    tile("Failed", &percent(failed, sum.requests), &hint, failed > 0);
    let paused = state.gateway.upstreams.paused_hosts();
    tile("CRM hosts paused", &count(paused.len() as u64), &paused_hosts_hint(&paused), !paused.is_empty());
    if let Err(failure) = &stored.totals {
        tile("Database", "not read", failure.kind.code(), true);
    }
    if let Ok(totals) = &stored.totals {
        let [refused, ..] = lists::healths(totals);
        tile("Credentials refused", &count(refused), "by their CRM", refused > 0);
        let of =
            |stage: Stage| totals.ledger.iter().find(|(of, _)| *of == stage).map_or(0, |(_, count)| *count);
        let open = [Stage::Sending, Stage::Unknown, Stage::Ambiguous].map(of).iter().sum();
        let age = totals.oldest_open.map_or_else(
            || "none is open".to_owned(),
            |oldest| format!("the oldest {}", lasting(between(oldest, now))),
        );
        tile("Open writes", &count(open), &age, of(Stage::Unknown) + of(Stage::Ambiguous) > 0);
    }
    html + "</dl>\n"
}

/// The first of the paused hosts.
fn paused_hosts_hint(paused: &[Text]) -> String {
    let (first, rest) = paused.split_at(paused.len().min(PAUSED_NAMED));
    let mut names: Vec<String> = first.iter().map(|host| escaped(host)).collect();
    if !rest.is_empty() {
        names.push(format!("{} more", count(rest.len() as u64)));
    }
    let of = if names.is_empty() { "" } else { ": " };
    format!("after repeated failures{of}{}", names.join(", "))
}

fn traffic(history: &HistorySnapshot, sum: &MinuteCounts) -> String {
    if sum.requests == 0 {
        return "<p>No requests in the last hour.</p>\n".to_owned();
    }
    let minutes = &history.minutes;
    let charts = [requests(sum), error_rate(sum), durations(sum), slowest(sum)];
    let charts: String = charts.iter().map(|chart| chart.html(minutes)).collect();
    format!("<div class=\"charts\">\n{charts}</div>\n{}", each_minute(minutes))
}

const OUTCOMES: &[(&str, &str)] = &[
    ("c-upstream", "failed: CRM"),
    ("c-gateway", "failed: gateway"),
    ("c-caller", "failed: caller"),
    ("c-ok", "succeeded"),
];
const FAULTS: &[(&str, &str)] = &[("c-upstream", "CRM"), ("c-gateway", "gateway"), ("c-caller", "caller")];
const WHERE_SPENT: &[(&str, &str)] =
    &[("c-crm-time", "in the CRM"), ("c-wait", "waiting"), ("c-gateway", "in the gateway")];
/// The order of the charts: what callers cannot fix is at the bottom.
const FAULTS_OF: [Origin; 3] = [Origin::Upstream, Origin::Gateway, Origin::Caller];

#[expect(clippy::cast_precision_loss, reason = "a chart needs no exact counts")]
fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole and positive")]
fn whole(value: f64) -> String {
    if value.fract() == 0.0 { count(value as u64) } else { format!("{value}") }
}

fn requests(sum: &MinuteCounts) -> BarChart<'static> {
    BarChart {
        title: "Requests per minute",
        summary: format!(
            "{} in the last hour, of which {} failed. The table has each minute.",
            count(sum.requests),
            count(failed(sum))
        ),
        parts: OUTCOMES,
        values: &|minute| {
            let mut parts = FAULTS_OF.map(|origin| number(minute.failed_by(origin))).to_vec();
            parts.push(number(minute.requests - failed(minute)));
            parts
        },
        label: whole,
    }
}

fn error_rate(sum: &MinuteCounts) -> BarChart<'static> {
    BarChart {
        title: "Failed requests, by whose fault",
        summary: format!("{} of the last hour's requests failed.", percent(failed(sum), sum.requests)),
        parts: FAULTS,
        values: &|minute| {
            let part = |origin| texts::ratio(minute.failed_by(origin), minute.requests) * 100.0;
            FAULTS_OF.map(part).to_vec()
        },
        label: |value| format!("{value:.0} %"),
    }
}

fn durations(sum: &MinuteCounts) -> BarChart<'static> {
    let [upstream, waited, own] = spent(sum).map(shown);
    BarChart {
        title: "Mean duration, by where it was spent",
        summary: format!("in the last hour {upstream} in the CRM, {waited} waiting, {own} in the gateway."),
        parts: WHERE_SPENT,
        values: &|minute| spent(minute).to_vec(),
        label: shown,
    }
}

fn slowest(sum: &MinuteCounts) -> BarChart<'static> {
    BarChart {
        title: "Duration that 95 % of the requests stay within",
        summary: format!("{} in the last hour.", sum.p95().map_or_else(|| "none".to_owned(), took)),
        parts: &[("c-wait", "")],
        values: &|minute| vec![minute.p95().map_or(0.0, |time| time.as_secs_f64() * 1e3)],
        label: shown,
    }
}

fn failed(minute: &MinuteCounts) -> u64 {
    FAULTS_OF.iter().map(|origin| minute.failed_by(*origin)).sum()
}

/// Milliseconds of the mean request in the CRM, waiting, and in the gateway.
fn spent(minute: &MinuteCounts) -> [f64; 3] {
    let own = minute.total.saturating_sub(minute.upstream).saturating_sub(minute.waited);
    let mean = |time: std::time::Duration| time.as_secs_f64() * 1e3 / number(minute.timed.max(1));
    [minute.upstream, minute.waited, own].map(mean)
}

/// A duration of so many milliseconds.
fn shown(millis: f64) -> String {
    took(std::time::Duration::from_secs_f64(millis.max(0.0) / 1e3))
}

/// The numbers of the charts.
fn each_minute(minutes: &[MinuteCounts]) -> String {
    let mut rows = String::new();
    for minute in minutes.iter().rev().filter(|minute| minute.requests > 0) {
        let faults = FAULTS_OF.map(|origin| count(minute.failed_by(origin)));
        let times = spent(minute).map(shown);
        let p95 = minute.p95().map_or_else(|| "–".to_owned(), took);
        let cells = [vec![count(minute.requests)], faults.to_vec(), times.to_vec(), vec![p95]].concat();
        let cells = cells.join("</td><td class=\"number\">");
        // Writing to a string does not fail.
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{cells}</td></tr>",
            minute_of(minute.began)
        );
    }
    let head = "<th>Minute from (UTC)</th><th class=\"number\">Requests</th><th class=\"number\">Failed: CRM</th>\
                <th class=\"number\">Failed: gateway</th><th class=\"number\">Failed: caller</th>\
                <th class=\"number\">Mean in the CRM</th><th class=\"number\">Mean waiting</th>\
                <th class=\"number\">Mean in the gateway</th><th class=\"number\">95 % within</th>";
    format!(
        "<details>\n<summary>The charts as a table</summary>\n{}<p class=\"hint\">Exports are counted as requests, but not in the \
         durations, which depend on their readers. Concurrent calls of one request are added up, capped at its duration.</p>\n\
         </details>\n",
        scrolled("Traffic by minute", head, &rows)
    )
}
