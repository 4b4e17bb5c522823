//! The access log: one line per request.
//!
//! The line is written by hand, because the formatter of the other lines takes five times as many instructions.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tracing_subscriber::filter::LevelFilter;

use super::{LINES, LineFormat, styled};
use crate::domain::{AttemptFacts, FailureKind, Origin, Principal, RequestFacts, TenantId, WarningCode};

/// Health checks and scrapes come every few seconds, so their successes are logged at `debug`.
const QUIET_ROUTES: [&str; 3] = ["/livez", "/readyz", "/metrics"];
/// The paths of the API, as opposed to those of pages and probes.
const API: [&str; 4] = ["/crm/", "/credentials", "/providers", "/admin/"];
/// The status of a request whose caller left before the response: nginx's word for it.
pub const CALLER_LEFT: u16 = 499;
const TARGET: &str = concat!(env!("CARGO_CRATE_NAME"), "::access");

/// The access log of this process; set when the logs are started.
static ACCESS: OnceLock<AccessLog> = OnceLock::new();

struct AccessLog {
    /// The level, and of how many successes one is logged; of 0, none.
    filter: RwLock<(LevelFilter, u64)>,
    format: LineFormat,
    /// Lines are short, for the people at a demo.
    brief: AtomicBool,
    seen: AtomicU64,
}

pub(super) fn start(level: LevelFilter, format: LineFormat, one_of: u64) {
    ACCESS.get_or_init(|| AccessLog {
        filter: RwLock::new((level, one_of)),
        format,
        brief: AtomicBool::new(false),
        seen: AtomicU64::new(0),
    });
}

/// Changes what is logged, after [`start`].
pub(super) fn set_level(level: LevelFilter, one_of: u64) {
    if let Some(log) = ACCESS.get() {
        *log.filter.write() = (level, one_of);
    }
}

/// Logs from now on each call of the API, in a short line.
pub fn log_briefly() {
    if let Some(log) = ACCESS.get() {
        *log.filter.write() = (LevelFilter::INFO, 1);
        log.brief.store(true, Ordering::Relaxed);
    }
}

/// A request that has ended.
pub struct AccessEntry<'a> {
    /// A known method, or `other`.
    pub method: &'static str,
    /// The route's template, never the path.
    pub route: &'a str,
    pub status: u16,
    pub took: Duration,
    pub client: Option<IpAddr>,
    pub request_id: &'a str,
    pub trace_id: Option<&'a str>,
    pub facts: &'a RequestFacts,
}

/// Logs a request, unless its level or the setting for successes leaves it out.
pub fn log(entry: &AccessEntry<'_>) {
    let Some(log) = ACCESS.get() else { return };
    let level = level(entry);
    let (most, one_of) = *log.filter.read();
    if level > most || (is_success(entry) && !log.takes_success(one_of)) {
        return;
    }
    let is_json = log.format.is_json();
    if !log.brief.load(Ordering::Relaxed) {
        LINES.push(&line(entry, level, is_json), is_json);
    } else if entry.facts.failure.is_some() || is_api(entry.route) {
        LINES.push(brief_line(entry, log.format.has_colours()).as_bytes(), is_json);
    }
}

/// Whether the route is one of the API, or that of no operation.
fn is_api(route: &str) -> bool {
    route == "none" || API.iter().any(|path| route.starts_with(path))
}

impl AccessLog {
    fn takes_success(&self, one_of: u64) -> bool {
        one_of == 1 || (one_of > 1 && self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(one_of))
    }
}

/// Whether nothing failed, not even a part such as one credential of a search or the end of an export.
fn is_success(entry: &AccessEntry<'_>) -> bool {
    let AccessEntry { status, facts, .. } = entry;
    let failed_call =
        facts.attempt.as_ref().is_some_and(|attempt| attempt.status.is_none_or(|status| status >= 400));
    *status < 400 && facts.failure.is_none() && facts.failed_credentials.is_empty() && !failed_call
}

fn level(entry: &AccessEntry<'_>) -> LevelFilter {
    // A stop of the process is no failure.
    let ours = |kind: FailureKind| kind.origin() == Origin::Gateway && kind != FailureKind::Draining;
    if entry.status >= 500 && entry.facts.failure.is_none_or(ours) {
        LevelFilter::WARN
    } else if entry.status < 400 && QUIET_ROUTES.contains(&entry.route) {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    }
}

/// `POST   /crm/contacts           409 contact_exists · demo-aptly · 12 ms, 1 call to the CRM`
fn brief_line(entry: &AccessEntry<'_>, colours: bool) -> String {
    let AccessEntry { method, route, status, took, facts, .. } = entry;
    let code = facts.failure.map(|failure| format!(" {}", failure.code())).unwrap_or_default();
    // Green, yellow and red.
    let colour = match status {
        ..400 => 32,
        400..500 => 33,
        _ => 31,
    };
    let outcome = styled(colours, colour, &format!("{status}{code}"));
    let mut line = format!("{method:<6} {route:<24} {outcome}");
    for (credential, _) in &facts.credentials {
        line = format!("{line} · {credential}");
    }
    let calls = match facts.attempts {
        0 => String::new(),
        1 => ", 1 call to the CRM".to_owned(),
        several => format!(", {several} calls to the CRM"),
    };
    format!("{line} · {} ms{calls}\n", took.as_millis())
}

/// The line, without the fields that have no value.
fn line(entry: &AccessEntry<'_>, level: LevelFilter, json: bool) -> Vec<u8> {
    let AccessEntry { method, route, status, took, client, request_id, trace_id, facts } = entry;
    let mut line = AccessLine::begin(level, json);
    line.text("method", method);
    line.text("route", route);
    line.number("status", (*status).into());
    line.outcome(facts);
    line.caller(facts);
    line.millis("duration_ms", *took);
    line.upstream(facts);
    if let Some(client) = client {
        line.text("client", &client.to_string());
    }
    line.text("request_id", request_id);
    line.optional("trace_id", *trace_id);
    line.end()
}

/// A line as the formatter of the other lines would write it.
struct AccessLine {
    bytes: Vec<u8>,
    json: bool,
}

impl AccessLine {
    fn begin(level: LevelFilter, json: bool) -> Self {
        let mut bytes = Vec::with_capacity(768);
        let (now, name) = (crate::clock::now(), name(level));
        // Writing to memory does not fail.
        let _ = if json {
            write!(bytes, r#"{{"timestamp":"{now:.6}","level":"{name}","message":"request""#)
        } else {
            write!(bytes, "{now:.6} {name:>5} {TARGET}: request")
        };
        Self { bytes, json }
    }

    fn outcome(&mut self, facts: &RequestFacts) {
        if let Some(kind) = facts.failure {
            self.text("code", kind.code());
            self.text("origin", kind.origin().as_str());
        }
        self.optional("reason", facts.reason);
        if !facts.warnings.is_empty() {
            let codes: Vec<&str> = facts.warnings.iter().map(WarningCode::as_str).collect();
            self.text("warnings", &codes.join(","));
        }
        if facts.replayed {
            self.text("replayed", "true");
        }
        if facts.write_continues {
            self.text("write", "continues");
        }
    }

    fn caller(&mut self, facts: &RequestFacts) {
        self.optional("tenant", facts.tenant.as_ref().map(TenantId::as_str));
        match &facts.principal {
            Some(Principal::Key(id)) => self.text("key", id.as_str()),
            // A token's subject may identify a person.
            Some(Principal::Token { issuer, subject: _ }) => self.text("issuer", issuer),
            Some(Principal::Operator | Principal::CommandLine) => self.text("caller", "operator"),
            None => {}
        }
        match facts.credentials.as_slice() {
            [] => {}
            [(id, provider)] => {
                self.text("credential", id.as_str());
                self.text("provider", provider.as_str());
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|(id, _)| id.as_str()).collect();
                self.text("credential", &ids.join(","));
            }
        }
        if !facts.failed_credentials.is_empty() {
            let failed = facts.failed_credentials.iter().map(|(id, kind)| format!("{id}={}", kind.code()));
            self.text("failed", &failed.collect::<Vec<_>>().join(","));
        }
    }

    fn upstream(&mut self, facts: &RequestFacts) {
        if !facts.waited.is_zero() {
            self.millis("waiting_ms", facts.waited);
        }
        if facts.attempts > 0 {
            self.millis("upstream_ms", facts.upstream);
            self.number("attempts", facts.attempts.into());
        }
        if let Some(AttemptFacts { host, status, cause }) = &facts.attempt {
            self.text("upstream_host", host);
            if let Some(status) = status {
                self.number("upstream_status", (*status).into());
            }
            self.optional("cause", *cause);
        }
    }

    fn name(&mut self, name: &str) {
        if self.json {
            self.bytes.extend_from_slice(b",\"");
            self.bytes.extend_from_slice(name.as_bytes());
            self.bytes.extend_from_slice(b"\":");
        } else {
            self.bytes.push(b' ');
            self.bytes.extend_from_slice(name.as_bytes());
            self.bytes.push(b'=');
        }
    }

    /// In quotes, and escaped as in JSON.
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        if value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' || byte == b' ')
        {
            self.bytes.push(b'"');
            self.bytes.extend_from_slice(value.as_bytes());
            self.bytes.push(b'"');
        } else {
            // A text in memory can always be written.
            let _ = serde_json::to_writer(&mut self.bytes, value);
        }
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.bytes, "{value}");
    }

    fn millis(&mut self, name: &str, value: Duration) {
        self.name(name);
        let micros = value.as_micros();
        let _ = write!(self.bytes, "{}.{:03}", micros / 1_000, micros % 1_000);
    }

    fn end(mut self) -> Vec<u8> {
        if self.json {
            self.text("target", TARGET);
            self.bytes.push(b'}');
        }
        self.bytes.push(b'\n');
        self.bytes
    }
}

fn name(level: LevelFilter) -> &'static str {
    match level {
        LevelFilter::WARN => "WARN",
        LevelFilter::DEBUG => "DEBUG",
        _ => "INFO",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, Provider, RequestRecord};

    fn entry<'a>(status: u16, route: &'a str, facts: &'a RequestFacts) -> AccessEntry<'a> {
        AccessEntry {
            method: "GET",
            route,
            status,
            took: Duration::from_micros(12_005),
            client: Some([192, 0, 2, 7].into()),
            request_id: "id-7",
            trace_id: None,
            facts,
        }
    }

    fn failed(kind: FailureKind) -> RequestFacts {
        RequestFacts { failure: Some(kind), ..RequestFacts::default() }
    }

    #[test]
    fn own_failures_are_warnings_and_health_checks_are_quiet() {
        let route = "/crm/contacts";
        for (status, route, facts, expected) in [
            (200, route, RequestFacts::default(), LevelFilter::INFO),
            (200, "/readyz", RequestFacts::default(), LevelFilter::DEBUG),
            (503, "/readyz", failed(FailureKind::StoreUnavailable), LevelFilter::WARN),
            (500, route, RequestFacts::default(), LevelFilter::WARN),
            (500, route, failed(FailureKind::Internal), LevelFilter::WARN),
            (503, route, failed(FailureKind::Draining), LevelFilter::INFO),
            (502, route, failed(FailureKind::UpstreamTls), LevelFilter::INFO),
            (429, route, failed(FailureKind::RateLimited), LevelFilter::INFO),
        ] {
            assert_eq!(level(&entry(status, route, &facts)), expected, "{status} {route}");
        }
    }

    #[test]
    fn successes_are_all_taken_or_sampled_or_left_out() {
        let taken = |one_of| {
            let filter = RwLock::new((LevelFilter::INFO, one_of));
            let log = AccessLog {
                filter,
                format: LineFormat::Json,
                brief: AtomicBool::new(false),
                seen: AtomicU64::new(0),
            };
            (0..1000).filter(|_| log.takes_success(one_of)).count()
        };
        assert_eq!([1, 100, 0].map(taken), [1000, 10, 0]);
    }

    #[test]
    fn a_brief_line_has_colours_where_they_are_wanted() {
        let (success, failure) = (RequestFacts::default(), failed(FailureKind::ContactExists));
        let line = |status, facts, colours| brief_line(&entry(status, "/crm/contacts", facts), colours);
        assert_eq!(line(200, &success, false), "GET    /crm/contacts            200 · 12 ms\n");
        assert_eq!(line(200, &success, true), "GET    /crm/contacts            \x1b[32m200\x1b[0m · 12 ms\n");
        assert!(line(409, &failure, true).contains("\x1b[33m409 contact_exists\x1b[0m"));
        assert!(line(502, &failure, true).contains("\x1b[31m502 "));
    }

    #[test]
    fn a_line_has_each_fact_once_and_is_json_or_text() {
        let record = RequestRecord::begin(None);
        record.note_credential(&"cred_1".into(), Provider::new("aptly"));
        record.note_failure(&Failure::new(FailureKind::UpstreamTls, "x"));
        record.note_codes([WarningCode::Incomplete, WarningCode::NotStored]);
        let (host, cause) = ("https://crm.example.com".into(), Some("certificate \"expired\"\n"));
        record.note_attempt(Duration::from_millis(3), AttemptFacts { host, status: None, cause });
        let facts = record.facts();
        let entry = AccessEntry { trace_id: Some("4bf9"), ..entry(502, "/crm/contacts/{id}", &facts) };
        let json = String::from_utf8(line(&entry, LevelFilter::INFO, true)).unwrap();
        let mut parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(parsed["timestamp"].as_str().unwrap().ends_with('Z'));
        parsed.as_object_mut().unwrap().remove("timestamp");
        let expected = serde_json::json!({
            "level": "INFO", "message": "request", "method": "GET", "route": "/crm/contacts/{id}",
            "status": 502, "code": "upstream_tls", "origin": "upstream", "credential": "cred_1",
            "provider": "aptly", "duration_ms": 12.005, "upstream_ms": 3.0, "attempts": 1,
            "upstream_host": "https://crm.example.com", "cause": "certificate \"expired\"\n",
            "warnings": "not_stored,incomplete", "client": "192.0.2.7", "request_id": "id-7",
            "trace_id": "4bf9", "target": TARGET,
        });
        assert_eq!(parsed, expected);
        let text = String::from_utf8(line(&entry, LevelFilter::WARN, false)).unwrap();
        assert!(
            text.contains(r#"  WARN contacts_gateway::access: request method="GET" route="/crm"#),
            "{text}"
        );
        assert!(text.contains("duration_ms=12.005 upstream_ms=3.000 attempts=1 upstream_host="), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
