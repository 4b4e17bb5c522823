//! Failures: how many of each code in the last hour, and the last ones with both legs, to the gateway and to the CRM.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::frame::scrolled_as;
use super::texts::{at, clock_of, count, counted, day_of, took};
use crate::api::docs::{badge, escaped};
use crate::api::problem::title;
use crate::domain::{AttemptFacts, FailureKind, Origin, TenantId, Text};
use crate::telemetry::CALLER_LEFT;
use crate::telemetry::history::{FAILURES_MOST, FailedRequest, HistorySnapshot, MinuteCounts, origin_of};

/// How many failures are shown before the rest is unfolded.
const SHOWN_FIRST: usize = 20;

/// The codes of the last hour.
pub(super) fn by_code(sum: &MinuteCounts) -> String {
    let kinds = sum.by_kind();
    if kinds.is_empty() {
        return "<p>No failures in the last hour.</p>\n".to_owned();
    }
    let mut rows = String::new();
    for (kind, number) in kinds {
        let origin = origin_of(kind, CALLER_LEFT);
        let text = kind.map_or("The caller left before the response", title);
        // Writing to a string does not fail.
        let _ = writeln!(
            rows,
            "<tr><td>{}<br><span class=\"hint\">{}</span></td><td>{}</td><td class=\"number\">{}</td></tr>",
            code(kind, CALLER_LEFT),
            escaped(text),
            badge(origin),
            count(number.into())
        );
    }
    let head = "<th>Code</th><th>Whose fault</th><th class=\"number\">In the last hour</th>";
    scrolled_as("Failures by code", "narrow", head, &rows)
}

/// The tenants of the last failures, those of the newest first.
pub(super) fn tenants(history: &HistorySnapshot) -> Vec<TenantId> {
    let mut seen = HashSet::new();
    let tenants = history.failures.iter().filter_map(|failed| failed.tenant.clone());
    tenants.filter(|tenant| seen.insert(tenant.clone())).collect()
}

/// The last failures, the newest first.
pub(super) fn last(history: &HistorySnapshot, names: &HashMap<TenantId, Text>) -> String {
    let failures = &history.failures;
    if failures.is_empty() {
        return "<p>No failures since the start.</p>\n".to_owned();
    }
    let (first, rest) = failures.split_at(failures.len().min(SHOWN_FIRST));
    let mut html = format!(
        "<p class=\"hint\">The last {FAILURES_MOST} are kept. If there are more, the oldest of the tenant with the most is dropped, so \
         that one tenant does not hide the others.</p>\n{}",
        table("Last failures", first.iter().map(AsRef::as_ref), names)
    );
    if !rest.is_empty() {
        let more = counted(rest.len() as u64, "older failure", "older failures");
        let _ = write!(
            html,
            "<details>\n<summary>{more}</summary>\n{}</details>\n",
            table("Older failures", rest.iter().map(AsRef::as_ref), names)
        );
    }
    html
}

fn table<'a>(
    label: &str,
    failures: impl Iterator<Item = &'a FailedRequest>,
    names: &HashMap<TenantId, Text>,
) -> String {
    let rows: String = failures.map(|failed| row(failed, names)).collect();
    let head = "<th>UTC</th><th>Request</th><th>Call to the CRM</th><th>Who</th>";
    scrolled_as(label, "failures", head, &rows)
}

fn row(failed: &FailedRequest, names: &HashMap<TenantId, Text>) -> String {
    let FailedRequest { at: time, method, route, status, failure, reason, took: total, waited, .. } = failed;
    let reason = reason.map_or_else(String::new, |reason| format!(" <span class=\"hint\">({reason})</span>"));
    let waited = if waited.is_zero() { String::new() } else { format!(", waiting {}", took(*waited)) };
    let route = if route.as_str() == "none" { "unknown path" } else { route };
    format!(
        "<tr><td><time datetime=\"{time}\" title=\"{}\">{}<br><span class=\"hint\">{}</span></time></td>\
         <td><code>{method} {}</code><br>{status} {}{reason} {}<br><span class=\"hint\">{}{waited}</span></td>\
         <td>{}</td><td>{}</td></tr>\n",
        at(*time),
        clock_of(*time),
        day_of(*time),
        escaped(route),
        code(*failure, *status),
        badge(origin_of(*failure, *status)),
        took(*total),
        upstream_leg(failed),
        who(failed, names),
    )
}

/// The code with a link to its page.
fn code(kind: Option<FailureKind>, status: u16) -> String {
    match kind.map(FailureKind::code) {
        Some(code) => {
            format!("<a href=\"docs/errors/{code}\"><code>{}</code></a>", code.replace('_', "_<wbr>"))
        }
        None if status == CALLER_LEFT => "<code>caller left</code>".to_owned(),
        None => String::new(),
    }
}

fn upstream_leg(failed: &FailedRequest) -> String {
    let Some(AttemptFacts { host, status, cause }) = &failed.attempt else {
        return "<span class=\"hint\">none</span>".to_owned();
    };
    let outcome = match (status, cause) {
        (Some(status), None) => format!("status {status}"),
        (Some(status), Some(cause)) => format!("status {status}, {}", escaped(cause)),
        (None, Some(cause)) => escaped(cause),
        (None, None) => "not sent: calls to this host are paused".to_owned(),
    };
    let calls = counted(failed.attempts.into(), "call", "calls");
    format!(
        "<code>{}</code><br>{outcome}<br><span class=\"hint\">{calls}, {}</span>",
        escaped(host),
        took(failed.upstream)
    )
}

fn who(failed: &FailedRequest, names: &HashMap<TenantId, Text>) -> String {
    let FailedRequest { tenant, caller, credentials, credentials_omitted, request_id, .. } = failed;
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| {
        lines.push(format!("<span class=\"hint\">{name}</span> <code>{}</code>", escaped(value)));
    };
    if let Some(tenant) = tenant {
        let name = names.get(tenant).map_or_else(String::new, |name| format!(" {}", escaped(name)));
        line(&format!("tenant{name}"), tenant.as_str());
    }
    if let Some(caller) = caller {
        line(if tenant.is_some() { "key" } else { "by" }, caller);
    }
    for credential in credentials {
        line("credential", credential);
    }
    line("request", request_id);
    if *credentials_omitted > 0 {
        lines.push(format!("<span class=\"hint\">and {credentials_omitted} more credentials</span>"));
    }
    lines.join("<br>")
}

/// The number of failures that callers cannot fix.
pub(super) fn not_of_callers(sum: &MinuteCounts) -> u64 {
    sum.failed_by(Origin::Gateway) + sum.failed_by(Origin::Upstream)
}
