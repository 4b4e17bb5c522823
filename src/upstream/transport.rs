//! The only user of the HTTP client: sends one call within its deadline and reads a bounded reply.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::authorization::{Authorization, refuses, struck_out};
use super::resolver::Resolver;
use super::{BaseUrl, BaseUrlGuard, Call, FetchUrl, Lookup, Method, Reply, SystemLookup};
use crate::domain::{CallContext, Effect, Failure, FailureKind, Provider, Result};

/// The largest reply that is read, after decompression.
const LARGEST_REPLY: usize = 5 * 1024 * 1024;
/// How long a connection may take; the deadline of the call still holds.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The longest pause that a `Retry-After` can ask for; what is beyond is a mistake.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// Shorter than the idle time of common servers, so that a write rarely meets a connection that is just closing.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// The shared HTTP clients: one for all credentials whose hosts must be public, one for hosts of the allow-list.
#[derive(Clone, Debug)]
pub struct Transport {
    guard: BaseUrlGuard,
    public: reqwest::Client,
    allowed: reqwest::Client,
}

impl Transport {
    /// Builds the clients; they connect where `guard` lets them. Fails where the machine has no certificate store.
    pub fn new(guard: &BaseUrlGuard) -> std::result::Result<Self, reqwest::Error> {
        Self::with_lookup(guard, Arc::new(SystemLookup))
    }

    /// The same with another source of addresses.
    pub fn with_lookup(
        guard: &BaseUrlGuard,
        lookup: Arc<dyn Lookup>,
    ) -> std::result::Result<Self, reqwest::Error> {
        let public = Resolver::new(Arc::clone(&lookup), Some(guard.clone()));
        Ok(Self {
            guard: guard.clone(),
            public: client(public).https_only(true).build()?,
            allowed: client(Resolver::new(lookup, None)).build()?,
        })
    }

    /// The public document at `url`, at most `largest` bytes, without credentials of ours; the operator
    /// named it, so the guard against tenants does not stand before it. Fails with a reason for the
    /// log that holds nothing of what was answered.
    pub async fn fetch(
        &self,
        url: &FetchUrl,
        largest: usize,
        within: Duration,
    ) -> std::result::Result<Bytes, &'static str> {
        let fetched = async {
            let request = self.allowed.get(url.url().clone()).header(ACCEPT, "application/json");
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

    /// The client for `url`.
    /// Fails for an address that is not to be reached: of a literal address the resolver is not asked.
    fn client(&self, url: &Url) -> Result<&reqwest::Client> {
        if self.guard.names(url) {
            return Ok(&self.allowed);
        }
        if let Some(address) = literal(url).filter(|address| !self.guard.reaches(*address)) {
            tracing::warn!(%address, "not called: the address is not public and not in the allow-list");
            return Err(unreachable());
        }
        Ok(&self.public)
    }
}

/// No redirects: they would carry the secret to another place. No proxy: it would resolve names around the guard.
fn client(resolver: Resolver) -> reqwest::ClientBuilder {
    #[expect(clippy::disallowed_methods, reason = "the one place that builds the client")]
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .dns_resolver(resolver)
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIME)
        .pool_idle_timeout(IDLE_TIME)
        .user_agent(concat!("contacts-gateway/", env!("CARGO_PKG_VERSION")))
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = Self::resolve(&resolver, name.as_str()).await?;
            // The client puts the URL's port in the place of 0.
            let places = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(places) as reqwest::dns::Addrs)
        })
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// One CRM account seen as HTTP: base URL and authorisation over the shared transport.
#[derive(Clone)]
pub struct Upstream {
    transport: Transport,
    provider: Provider,
    base: Arc<BaseUrl>,
    authorization: Option<Authorization>,
    /// A secret of the account that is not sent along each time, such as a password.
    password: Option<Arc<SecretString>>,
}

impl Upstream {
    /// Joins the parts; nothing authorises the calls yet.
    #[must_use]
    pub fn new(transport: Transport, provider: Provider, base: BaseUrl) -> Self {
        Self { transport, provider, base: Arc::new(base), authorization: None, password: None }
    }

    /// The same account, its calls authorised by `authorization` from now on.
    #[must_use]
    pub fn authorized(self, authorization: Authorization) -> Self {
        Self { authorization: Some(authorization), ..self }
    }

    /// The same account, with a further secret that no message of the CRM may carry out.
    #[must_use]
    pub fn hiding(self, password: &str) -> Self {
        Self { password: Some(Arc::new(password.into())), ..self }
    }

    fn without_secrets(&self, status: u16, body: Bytes) -> Bytes {
        if !refuses(status, &body) {
            return body;
        }
        let sent = self.authorization.as_ref().map_or(&[][..], Authorization::secret);
        let password = self.password.as_ref().map_or("", |password| password.expose_secret());
        struck_out(struck_out(body, sent), password.as_bytes())
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
        let url = self.address(call)?;
        let client = self.transport.client(&url)?;
        let mut request = client.request(method(call.method), url).header(ACCEPT, "application/json");
        if let Some(Authorization { name, value }) = &self.authorization {
            request = request.header(name.clone(), value.clone());
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let response = request.send().await.map_err(|error| not_sent(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read(response).await?;
        let body = self.without_secrets(status, body);
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

/// One wording, whether the host is away, refuses, has no address, or has one that is not called.
fn unreachable() -> Failure {
    Failure::new(FailureKind::UpstreamUnreachable, "The CRM could not be reached.")
}

/// The client's error texts hold addresses and are not passed on; its kinds are.
fn not_sent(error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        if is_certificate(error) {
            return Failure::new(FailureKind::UpstreamTls, "The CRM's TLS certificate was not accepted.");
        }
        return unreachable();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::AllowList;

    #[tokio::test]
    async fn a_literal_address_is_judged_before_every_request() {
        let canary = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", canary.local_addr().unwrap());
        // A URL that passed under a longer list than the one in force.
        let base = BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap()).check(&url).unwrap();
        let transport = Transport::new(&BaseUrlGuard::default()).unwrap();
        let upstream = Upstream::new(transport, Provider::new("fake"), base);
        let context = CallContext::within(Duration::from_secs(2), "test".into());
        let failure = upstream.call(&context, &Call::new(Method::Get, "x")).await.unwrap_err();
        assert_eq!((failure.kind, &failure.effect), (FailureKind::UpstreamUnreachable, &Effect::None));
        let visit = tokio::time::timeout(Duration::from_millis(100), canary.accept()).await;
        assert!(visit.is_err());
    }
}
