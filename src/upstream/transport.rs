//! The only user of the HTTP client: sends one call within its deadline and reads a bounded reply.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use url::Url;

use super::{BaseUrl, Call, FetchUrl, Method, Reply};
use crate::domain::{CallContext, Effect, Failure, FailureKind, Provider, Result};

/// The largest reply that is read, after decompression.
const LARGEST_REPLY: usize = 5 * 1024 * 1024;
/// How long a connection may take; the deadline of the call still holds.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The longest pause that a `Retry-After` can ask for; what is beyond is a mistake.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// Shorter than the idle time of common servers, so that a write rarely meets a connection that is just closing.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// The shared HTTP client: one pool of connections for all credentials.
#[derive(Clone, Debug)]
pub struct Transport(reqwest::Client);

impl Transport {
    /// Builds the client. Fails where the machine has no certificate store.
    pub fn new() -> std::result::Result<Self, reqwest::Error> {
        #[expect(clippy::disallowed_methods, reason = "the one place that builds the client")]
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIME)
            .pool_idle_timeout(IDLE_TIME)
            .user_agent(concat!("contacts-gateway/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
    }

    /// The public document at `url`, at most `largest` bytes, without credentials of ours. Fails with a reason for the
    /// log that holds nothing of what was answered.
    pub async fn fetch(
        &self,
        url: &FetchUrl,
        largest: usize,
        within: Duration,
    ) -> std::result::Result<Bytes, &'static str> {
        let fetched = async {
            let request = self.0.get(url.url().clone()).header(ACCEPT, "application/json");
            let mut response = request.send().await.map_err(|_| "it cannot be reached")?;
            if response.status() != http::StatusCode::OK {
                return Err("its answer is not 200");
            }
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(|_| "its answer broke off")? {
                if body.len() + chunk.len() > largest {
                    return Err("its answer is too large");
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        };
        tokio::time::timeout(within, fetched).await.unwrap_or(Err("it did not answer in time"))
    }
}

/// The header that authorises calls of one credential.
#[derive(Clone)]
pub struct Authorization {
    name: HeaderName,
    value: HeaderValue,
}

impl Authorization {
    /// A header whose value is never printed. Fails where the secret holds characters that no header can.
    pub fn new(name: &'static str, secret: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(secret).map_err(|_| {
            let fault = crate::domain::FieldFault::member(
                "/secret",
                "malformed",
                "The secret holds characters that cannot be sent.",
            );
            Failure::validation(vec![fault])
        })?;
        value.set_sensitive(true);
        Ok(Self { name: HeaderName::from_static(name), value })
    }
}

/// One CRM account seen as HTTP: base URL and authorisation over the shared transport.
#[derive(Clone)]
pub struct Upstream {
    transport: Transport,
    provider: Provider,
    base: Arc<BaseUrl>,
    authorization: Authorization,
}

impl Upstream {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        transport: Transport,
        provider: Provider,
        base: BaseUrl,
        authorization: Authorization,
    ) -> Self {
        Self { transport, provider, base: Arc::new(base), authorization }
    }

    /// Which CRM this is.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// Sends `call` once and reads the whole reply, whatever its status.
    ///
    /// Fails with `upstream_timeout`, `upstream_unreachable`, `upstream_tls` or `upstream_invalid_response`; the
    /// failure's effect says whether the request may have left.
    pub async fn call(&self, context: &CallContext, call: &Call) -> Result<Reply> {
        let started = std::time::Instant::now();
        let outcome = match tokio::time::timeout(context.remaining(), self.send(call)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::new(FailureKind::UpstreamTimeout, "The CRM did not answer in time.")
                .with_effect(Effect::Unknown)),
        };
        let status = outcome.as_ref().map_or(0, |reply| reply.status);
        tracing::debug!(provider = %self.provider, method = ?call.method, status, took = ?started.elapsed(), request_id = %context.request_id.as_str(), "upstream call");
        outcome.map_err(|failure| failure.with_upstream(self.provider, None))
    }

    async fn send(&self, call: &Call) -> Result<Reply> {
        let mut request = self
            .transport
            .0
            .request(method(call.method), self.address(call)?)
            .header(self.authorization.name.clone(), self.authorization.value.clone())
            .header(ACCEPT, "application/json");
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = request.send().await.map_err(|error| not_sent(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read(response).await?;
        Ok(Reply {
            provider: self.provider,
            status,
            content_type: content_type(&headers),
            date: date(&headers),
            retry_after: retry_after(&headers),
            body,
        })
    }

    fn address(&self, call: &Call) -> Result<Url> {
        let mut url = self.base.url().clone();
        url.path_segments_mut()
            .map_err(|()| Failure::internal("a base URL that cannot be a base passed the guard"))?
            .pop_if_empty()
            .extend(&call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(url)
    }
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    }
}

async fn read(mut response: reqwest::Response) -> Result<Bytes> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST_REPLY => body.extend_from_slice(&chunk),
            Ok(Some(_)) => {
                return Err(lost(
                    FailureKind::UpstreamInvalidResponse,
                    "The CRM's answer is larger than 5 MiB.",
                ));
            }
            Err(error) if error.is_decode() => {
                return Err(lost(
                    FailureKind::UpstreamInvalidResponse,
                    "The CRM's answer could not be decompressed.",
                ));
            }
            Err(_) => return Err(lost(FailureKind::UpstreamInvalidResponse, "The CRM's answer broke off.")),
        }
    }
}

fn lost(kind: FailureKind, detail: &'static str) -> Failure {
    Failure::new(kind, detail).with_effect(Effect::Unknown)
}

/// The client's error texts hold addresses and are not passed on; its kinds are.
fn not_sent(error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        if is_certificate(error) {
            return Failure::new(FailureKind::UpstreamTls, "The CRM's TLS certificate was not accepted.");
        }
        return Failure::new(FailureKind::UpstreamUnreachable, "The CRM could not be reached.");
    }
    if error.is_builder() {
        return Failure::internal("a call could not be built");
    }
    lost(FailureKind::UpstreamUnreachable, "The connection to the CRM broke before it answered.")
}

fn is_certificate(error: &reqwest::Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |&cause| cause.source())
        .any(|cause| cause.to_string().contains("certificate"))
}

fn content_type(headers: &HeaderMap) -> String {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get(DATE)?.to_str().ok().and_then(http_date)
}

/// `Retry-After` in both of its forms; a past date means now.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::try_from(http_date(text)?.duration_since(Timestamp::now())).unwrap_or_default(),
    };
    Some(after.min(LONGEST_PAUSE))
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}
