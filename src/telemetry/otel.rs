//! The OpenTelemetry SDK behind [`traces`](super::traces): it makes spans, and sends them to the collector.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
pub(super) use opentelemetry_sdk::trace::Span;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanProcessor,
};
use secrecy::{ExposeSecret, SecretString};

use super::collector::{Collector, EXPORTED_WITHIN, Post, SpanRole, SpanValue};
use super::series::{self, SpanLoss};
use crate::domain::TraceParent;

static TRACES: OnceLock<Traces> = OnceLock::new();

struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

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

/// Counts queued spans, because the SDK does not report dropped ones.
#[derive(Debug)]
struct CountedSpans {
    processor: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

impl SpanProcessor for CountedSpans {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.most {
            self.processor.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            series::spans_lost(SpanLoss::QueueFull, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

/// Sends spans that waited, and counts those that are lost.
#[derive(Debug)]
struct CountedExporter {
    exporter: SpanExporter,
    waiting: Arc<AtomicUsize>,
}

impl opentelemetry_sdk::trace::SpanExporter for CountedExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let sent = self.exporter.export(batch).await;
        if sent.is_err() {
            series::spans_lost(SpanLoss::NotSent, count);
        }
        sent
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

pub(super) fn start(collector: &Collector<'_>, post: Arc<Post>) -> Result<(), String> {
    let Collector { endpoint, headers, percent, queue } = collector;
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
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = CountedExporter { exporter, waiting: Arc::clone(&waiting) };
    let batches = BatchConfigBuilder::default().with_max_queue_size(*queue).build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(CountedSpans { processor, waiting, most: *queue })
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(f64::from(*percent) / 100.0))))
        .with_resource(resource)
        .build();
    let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
    TRACES.set(Traces { provider, tracer }).map_err(|_| "traces were started before".to_owned())
}

pub(super) fn flush(within: Duration) {
    if let Some(traces) = TRACES.get() {
        let _ = traces.provider.shutdown_with_timeout(within);
    }
}

/// A span that begins now; `None` if there are no traces.
pub(super) fn begin(role: SpanRole, name: fmt::Arguments<'_>, parent: Option<TraceParent>) -> Option<Span> {
    let traces = TRACES.get()?;
    let kind = match role {
        SpanRole::Request => SpanKind::Server,
        SpanRole::Call => SpanKind::Client,
    };
    let parent = parent
        .and_then(remote)
        .map_or_else(Context::new, |remote| Context::new().with_remote_span_context(remote));
    Some(
        traces
            .tracer
            .build_with_context(traces.tracer.span_builder(name.to_string()).with_kind(kind), &parent),
    )
}

fn remote(parent: TraceParent) -> Option<SpanContext> {
    let (trace, span) =
        (TraceId::from_hex(parent.trace_id()).ok()?, SpanId::from_hex(parent.span_id()).ok()?);
    Some(SpanContext::new(trace, span, TraceFlags::new(parent.flags()), true, TraceState::default()))
}

pub(super) fn traceparent(span: &Span) -> Option<TraceParent> {
    let context = span.span_context();
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
    TraceParent::parse(format!("00-{trace}-{span}-{flags:02x}").as_bytes())
}

/// Whether the span is sampled.
pub(super) fn is_recording(span: &Span) -> bool {
    span.is_recording()
}

pub(super) fn set(span: &mut Span, name: &'static str, value: SpanValue) {
    span.set_attribute(KeyValue::new(name, Value::from(value)));
}

pub(super) fn add_event(span: &mut Span, name: &'static str, facts: Vec<(&'static str, SpanValue)>) {
    let facts = facts.into_iter().map(|(name, value)| KeyValue::new(name, Value::from(value)));
    span.add_event(name, facts.collect());
}

pub(super) fn set_failed(span: &mut Span) {
    span.set_status(Status::error(""));
}

pub(super) fn end(mut span: Span) {
    span.end();
}

impl From<SpanValue> for Value {
    fn from(value: SpanValue) -> Self {
        match value {
            SpanValue::Text(text) => text.into(),
            SpanValue::Number(number) => number.into(),
        }
    }
}
