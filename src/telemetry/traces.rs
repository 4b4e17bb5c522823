//! Traces: a span for each request and for each call to a CRM, sent to a collector by OTLP over HTTP.
//!
//! Spans are made where requests and calls are recorded for the log and the metrics, from the same facts, and not from the
//! `tracing` events of the code: so they hold ids, codes and times, and never a value.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, Request, Response};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::access::{AccessEntry, CALLER_LEFT};
use crate::domain::{Principal, Provider, TraceParent, WarningCode};

/// How long the process waits at its end for the last spans to be sent.
const FLUSHED_WITHIN: Duration = Duration::from_secs(2);
/// How long the collector may take for one batch.
const EXPORTED_WITHIN: Duration = Duration::from_secs(5);

static TRACES: OnceLock<Traces> = OnceLock::new();

struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Where traces go.
pub struct Collector<'a> {
    /// The base URL; spans are posted to `v1/traces` below it.
    pub endpoint: &'a str,
    /// Headers of each request to it.
    pub headers: &'a [(HeaderName, SecretString)],
    /// How many percent of the traces that begin here are sampled. A caller's trace is sampled if the caller says so.
    pub percent: u32,
}

/// Sends one request to the collector. The reason of a failure is for the log.
pub type Post =
    dyn Fn(Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, &'static str>> + Send + Sync;

#[derive(Clone)]
struct CollectorClient(Arc<Post>);

impl fmt::Debug for CollectorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CollectorClient")
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok((self.0)(request).await?)
    }
}

/// Starts the traces of this process, once. `post` is called on a thread of the exporter. Fails with a reason if the
/// exporter cannot be built.
pub fn start(collector: &Collector<'_>, post: Arc<Post>) -> Result<(), String> {
    let Collector { endpoint, headers, percent } = collector;
    let header =
        |(name, value): &(HeaderName, SecretString)| (name.to_string(), value.expose_secret().to_owned());
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(CollectorClient(post))
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_headers(headers.iter().map(header).collect())
        .with_timeout(EXPORTED_WITHIN)
        .build()
        .map_err(|error| error.to_string())?;
    let resource = Resource::builder()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(f64::from(*percent) / 100.0))))
        .with_resource(resource)
        .build();
    let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
    TRACES.set(Traces { provider, tracer }).map_err(|_| "traces were started before".to_owned())
}

/// Waits up to two seconds for the last spans to be sent. Call it at the end of the process, while the runtime runs, on a thread
/// that may block.
pub fn flush() {
    if let Some(traces) = TRACES.get() {
        let _ = traces.provider.shutdown_with_timeout(FLUSHED_WITHIN);
    }
}

/// A span that begins now; `None` if there are no traces.
fn begin(kind: SpanKind, name: String, parent: Option<TraceParent>) -> Option<Span> {
    let traces = TRACES.get()?;
    let parent = parent
        .and_then(remote)
        .map_or_else(Context::new, |remote| Context::new().with_remote_span_context(remote));
    Some(traces.tracer.build_with_context(traces.tracer.span_builder(name).with_kind(kind), &parent))
}

fn remote(parent: TraceParent) -> Option<SpanContext> {
    let (trace, span) =
        (TraceId::from_hex(parent.trace_id()).ok()?, SpanId::from_hex(parent.span_id()).ok()?);
    Some(SpanContext::new(trace, span, TraceFlags::new(parent.flags()), true, TraceState::default()))
}

fn traceparent(span: Option<&Span>) -> Option<TraceParent> {
    let context = span?.span_context();
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
    TraceParent::parse(format!("00-{trace}-{span}-{flags:02x}").as_bytes())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The span of a request.
pub struct RequestSpan(Option<Span>);

impl RequestSpan {
    /// The span of a request in the caller's trace `parent`, or in a new one.
    #[must_use]
    pub fn begin(method: &str, route: &str, parent: Option<TraceParent>) -> Self {
        Self(TRACES.get().and_then(|_| begin(SpanKind::Server, format!("{method} {route}"), parent)))
    }

    /// The parent of the spans of calls; `None` if there are no traces.
    #[must_use]
    pub fn traceparent(&self) -> Option<TraceParent> {
        traceparent(self.0.as_ref())
    }

    /// Ends the span with the facts of the access log.
    pub fn end(&mut self, entry: &AccessEntry<'_>) {
        let Some(mut span) = self.0.take().filter(Span::is_recording) else { return };
        let AccessEntry { method, route, status, took: _, client: _, request_id, trace_id: _, facts } = entry;
        let mut note = |name: &'static str, value: opentelemetry::Value| {
            span.set_attribute(KeyValue::new(name, value));
        };
        if let Some(failure) = facts.failure {
            note("error.type", failure.code().into());
        }
        note("http.request.method", (*method).to_owned().into());
        note("http.route", (*route).to_owned().into());
        note("http.response.status_code", i64::from(*status).into());
        note("gateway.request_id", request_id.to_string().into());
        note("gateway.waited_ms", millis(facts.waited).into());
        note("gateway.attempts", i64::from(facts.attempts).into());
        if let Some(tenant) = &facts.tenant {
            note("gateway.tenant", tenant.to_string().into());
        }
        if let Some(Principal::Key(key)) = &facts.principal {
            note("gateway.key", key.to_string().into());
        }
        if !facts.credentials.is_empty() {
            let [ids, providers] = [0, 1].map(|part| {
                let names = facts.credentials.iter().map(|(id, of)| [id.as_str(), of.as_str()][part]);
                names.collect::<Vec<_>>().join(",")
            });
            note("gateway.credential", ids.into());
            note("gateway.provider", providers.into());
        }
        if !facts.warnings.is_empty() {
            let codes: Vec<&str> = facts.warnings.iter().map(WarningCode::as_str).collect();
            note("gateway.warnings", codes.join(",").into());
        }
        if *status >= 500 || *status == CALLER_LEFT {
            span.set_status(Status::error(""));
        }
        span.end();
    }
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
        let mut span =
            parent.and_then(|parent| begin(SpanKind::Client, format!("{method} {template}"), Some(parent)));
        if let Some(span) = &mut span {
            span.set_attribute(KeyValue::new("gateway.provider", provider.as_str()));
            span.set_attribute(KeyValue::new("http.request.method", method.to_string()));
            span.set_attribute(KeyValue::new("url.template", template.to_owned()));
            if let Ok(host) = Url::parse(host) {
                span.set_attribute(KeyValue::new(
                    "server.address",
                    host.host_str().unwrap_or_default().to_owned(),
                ));
                span.set_attribute(KeyValue::new(
                    "server.port",
                    i64::from(host.port_or_known_default().unwrap_or_default()),
                ));
            }
        }
        Self { span, attempts: 0 }
    }

    /// What the CRM gets as `traceparent`; `None` if there are no traces.
    #[must_use]
    pub fn traceparent(&self) -> Option<TraceParent> {
        traceparent(self.span.as_ref())
    }

    /// An attempt is sent now.
    pub fn attempt(&mut self) {
        self.attempts += 1;
        if let Some(span) = &mut self.span {
            span.add_event("attempt", vec![KeyValue::new("number", self.attempts)]);
        }
    }

    /// The last attempt ended like this, and another one follows after `wait`.
    pub fn retry(&mut self, result: Result<u16, &'static str>, wait: Duration) {
        if let Some(span) = &mut self.span {
            span.add_event("retry", vec![outcome(result), KeyValue::new("wait_ms", millis(wait))]);
        }
    }

    /// Ends the span with the status of the reply, or the code of the failure.
    pub fn end(mut self, result: Result<u16, &'static str>) {
        self.close(result);
    }

    fn close(&mut self, result: Result<u16, &'static str>) {
        let Some(mut span) = self.span.take() else { return };
        span.set_attribute(outcome(result));
        span.set_attribute(KeyValue::new("gateway.attempts", self.attempts));
        if !matches!(result, Ok(..400)) {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        self.close(Err("caller left"));
    }
}

fn outcome(result: Result<u16, &'static str>) -> KeyValue {
    match result {
        Ok(status) => KeyValue::new("http.response.status_code", i64::from(status)),
        Err(cause) => KeyValue::new("error.type", cause),
    }
}
