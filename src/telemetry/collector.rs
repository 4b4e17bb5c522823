//! What [`traces`](super::traces) and the SDK behind it agree on: where spans go, and what they hold.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, Request, Response};
use secrecy::SecretString;

/// How long the collector may take for one batch.
pub const EXPORTED_WITHIN: Duration = Duration::from_secs(5);

/// Where traces go.
pub struct Collector<'a> {
    /// The base URL; spans are posted to `v1/traces` below it.
    pub endpoint: &'a str,
    /// Headers of each request to it.
    pub headers: &'a [(HeaderName, SecretString)],
    /// How many percent of the traces that begin here are sampled. A caller's trace is sampled if the caller says so.
    pub percent: u32,
    /// How many spans may wait. Further ones are lost.
    pub queue: usize,
}

/// Sends one request to the collector. The reason of a failure is for the log.
pub type Post =
    dyn Fn(Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, &'static str>> + Send + Sync;

/// Whether a span is of a request that came in, or of a call that went out.
#[derive(Clone, Copy, Debug)]
pub(super) enum SpanRole {
    Request,
    Call,
}

/// The value of an attribute.
#[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "without the SDK nobody reads it"))]
pub(super) enum SpanValue {
    Text(String),
    Number(i64),
}

impl From<String> for SpanValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for SpanValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for SpanValue {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for SpanValue {
    /// Milliseconds.
    fn from(time: Duration) -> Self {
        Self::Number(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
    }
}
