//! Traces: a span for each request and for each call to a CRM, sent to a collector by OTLP over HTTP.
//!
//! Spans are made where requests and calls are recorded for the log and the metrics, from the same facts, and not from the
//! `tracing` events of the code: so they hold ids, codes and times, and never a value.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::access::{AccessEntry, CALLER_LEFT};
pub use super::collector::{Collector, EXPORTED_WITHIN, Post};
use super::collector::{SpanRole, SpanValue};
use super::otel::{self, Span};
use crate::domain::{AttemptFacts, Principal, Provider, TraceParent, WarningCode};

/// The maximum wait for the last spans at exit. With [`LAST_WORK`], at most 2 seconds, as the guide says.
pub const LAST_SPANS: Duration = Duration::from_millis(1_500);
/// The maximum wait of any command for blocking threads at exit, such as one that looks up the collector's name. It is short, because
/// it comes after [`LAST_SPANS`].
pub const LAST_WORK: Duration = Duration::from_millis(500);
const _: () = assert!(LAST_SPANS.as_millis() + LAST_WORK.as_millis() <= 2_000);

/// Starts the traces of this process, once. `post` is called on a thread of the exporter. Fails with a reason if the
/// exporter cannot be built.
pub fn start(collector: &Collector<'_>, post: Arc<Post>) -> Result<(), String> {
    otel::start(collector, post)
}

/// Waits up to [`LAST_SPANS`] for the last spans to be sent. Call it at the end of the process, while the runtime runs, on a thread
/// that may block.
pub fn flush() {
    otel::flush(LAST_SPANS);
}

/// The span of a request.
pub struct RequestSpan(Option<Span>);

impl RequestSpan {
    /// The span of a request in the caller's trace `parent`, or in a new one.
    #[must_use]
    pub fn begin(method: &str, route: &str, parent: Option<TraceParent>) -> Self {
        Self(otel::begin(SpanRole::Request, format_args!("{method} {route}"), parent))
    }

    /// The parent of the spans of calls; `None` if there are no traces.
    #[must_use]
    pub fn traceparent(&self) -> Option<TraceParent> {
        self.0.as_ref().and_then(otel::traceparent)
    }

    /// Ends the span with the facts of the access log.
    pub fn end(&mut self, entry: &AccessEntry<'_>) {
        let Some(mut span) = self.0.take().filter(otel::is_recording) else { return };
        let AccessEntry { method, route, status, took: _, client: _, request_id, trace_id: _, facts } = entry;
        let mut set = |name: &'static str, value: SpanValue| otel::set(&mut span, name, value);
        if let Some(failure) = facts.failure {
            set("error.type", failure.code().into());
        }
        set("http.request.method", (*method).into());
        set("http.route", (*route).into());
        set("http.response.status_code", i64::from(*status).into());
        set("gateway.request_id", (*request_id).into());
        set("gateway.waited_ms", facts.waited.into());
        set("gateway.attempts", i64::from(facts.attempts).into());
        if let Some(tenant) = &facts.tenant {
            set("gateway.tenant", tenant.as_str().into());
        }
        if let Some(Principal::Key(key)) = &facts.principal {
            set("gateway.key", key.as_str().into());
        }
        if !facts.credentials.is_empty() {
            set("gateway.credential", joined(facts.credentials.iter().map(|(id, _)| id.as_str())));
            set("gateway.provider", joined(facts.credentials.iter().map(|(_, provider)| provider.as_str())));
        }
        if !facts.warnings.is_empty() {
            set("gateway.warnings", joined(facts.warnings.iter().map(WarningCode::as_str)));
        }
        if *status >= 500 || *status == CALLER_LEFT {
            otel::set_failed(&mut span);
        }
        otel::end(span);
    }
}

/// An attribute has one value: several are joined, as in the log.
fn joined<'a>(values: impl Iterator<Item = &'a str>) -> SpanValue {
    values.collect::<Vec<_>>().join(",").into()
}

/// The span of a call to a CRM, with all its attempts and the waits between them. A call that is dropped before its end has
/// the error `caller left`.
pub struct CallSpan {
    span: Option<Span>,
    attempts: i64,
}

impl CallSpan {
    /// The span of a call to `host` (scheme, host and port), in the request that has the span `parent`. A call of no request has
    /// none.
    #[must_use]
    pub fn begin(
        parent: Option<TraceParent>,
        provider: Provider,
        method: &http::Method,
        template: &str,
        host: &str,
    ) -> Self {
        // A call of no request begins no trace of its own.
        let mut span = parent.and_then(|parent| {
            otel::begin(SpanRole::Call, format_args!("{method} {template}"), Some(parent))
        });
        if let Some(span) = &mut span {
            otel::set(span, "gateway.provider", provider.as_str().into());
            otel::set(span, "http.request.method", method.as_str().into());
            otel::set(span, "url.template", template.into());
            if let Ok(host) = Url::parse(host) {
                otel::set(span, "server.address", host.host_str().unwrap_or_default().into());
                let port = host.port_or_known_default().unwrap_or_default();
                otel::set(span, "server.port", i64::from(port).into());
            }
        }
        Self { span, attempts: 0 }
    }

    /// What the CRM gets as `traceparent`; `None` if there are no traces.
    #[must_use]
    pub fn traceparent(&self) -> Option<TraceParent> {
        self.span.as_ref().and_then(otel::traceparent)
    }

    /// An attempt is sent now.
    pub fn attempt(&mut self) {
        self.attempts += 1;
        if let Some(span) = &mut self.span {
            otel::add_event(span, "attempt", vec![("number", self.attempts.into())]);
        }
    }

    /// The last attempt ended like this, and another one follows after `wait`.
    pub fn retry(&mut self, result: Result<u16, &'static str>, wait: Duration) {
        if let Some(span) = &mut self.span {
            otel::add_event(span, "retry", vec![outcome(result), ("wait_ms", wait.into())]);
        }
    }

    /// Ends the span with the status of the reply, or the code of the failure.
    pub fn end(mut self, result: Result<u16, &'static str>) {
        self.close(result);
    }

    fn close(&mut self, result: Result<u16, &'static str>) {
        let Some(mut span) = self.span.take() else { return };
        let (name, value) = outcome(result);
        otel::set(&mut span, name, value);
        otel::set(&mut span, "gateway.attempts", self.attempts.into());
        if !matches!(result, Ok(..400)) {
            otel::set_failed(&mut span);
        }
        otel::end(span);
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        self.close(Err(AttemptFacts::CALLER_LEFT));
    }
}

/// The attribute for the status of the reply, or for why there is none.
fn outcome(result: Result<u16, &'static str>) -> (&'static str, SpanValue) {
    match result {
        Ok(status) => ("http.response.status_code", i64::from(status).into()),
        Err(cause) => ("error.type", cause.into()),
    }
}
