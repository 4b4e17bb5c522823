//! The only user of the HTTP client: sends a call once and reads a bounded reply. It also keeps what was learnt about
//! hosts and accounts, as all who call share it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use tokio::time::{Instant, timeout_at};
use url::{Host as UrlHost, Url};

use super::account::AccountSpec;
use super::host::Host;
use super::kept::Kept;
use super::pace::Pace;
use super::places::Places;
use super::resolver::Resolver;
use super::trouble::Trouble;
use super::{
    Account, AccountId, Authorization, BaseUrlGuard, Call, FetchUrl, Lookup, Method, Reply, SystemLookup,
    headers,
};
use crate::config::Limits;
use crate::domain::{Provider, TenantId, Text};

/// The largest reply that is read, after decompression.
const LARGEST_REPLY: usize = 5 * 1024 * 1024;
/// How long a connection may take; the deadline of the call still holds.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long an answer may stand still between two of its parts.
const LONGEST_STALL: Duration = Duration::from_secs(5);
/// Shorter than the idle time of common servers, so that a write rarely meets a connection that is just closing.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// The shared HTTP clients: one for all credentials whose hosts must be public, one for hosts of the allow-list.
#[derive(Clone)]
pub struct Transport {
    guard: BaseUrlGuard,
    public: reqwest::Client,
    allowed: reqwest::Client,
    known: Arc<Known>,
}

/// What was learnt from earlier calls; it outlives the adapters that made them.
#[derive(Default)]
struct Known {
    limits: Limits,
    unpaced: bool,
    hosts: Kept<String, Host>,
    places: Kept<AccountId, Places>,
    paces: Kept<Budget, Pace>,
}

/// Whose calls are counted together.
#[derive(PartialEq, Eq, Hash)]
enum Budget {
    Own(AccountId),
    Group(TenantId, Provider, Text),
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
            known: Arc::default(),
        })
    }

    /// The same clients under other limits, with nothing learnt yet about hosts and accounts.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { known: Arc::new(Known { limits, ..Known::default() }), ..self }
    }

    /// The same clients, with nothing learnt yet, and without the limits that CRMs publish: for simulators, which have
    /// none. Pauses are kept all the same.
    #[must_use]
    pub fn unpaced(self) -> Self {
        let limits = self.known.limits;
        Self { known: Arc::new(Known { limits, unpaced: true, ..Known::default() }), ..self }
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

    /// Sends `call` to `url` once, and reads the whole reply within `within`.
    pub(super) async fn send(
        &self,
        provider: Provider,
        authorization: Option<&Authorization>,
        call: &Call,
        url: &Url,
        within: Duration,
    ) -> std::result::Result<Reply, Trouble> {
        let end = Instant::now() + within;
        let client = self.client(url)?;
        let mut request = client.request(method(call.method), url.clone()).header(ACCEPT, "application/json");
        if let Some(Authorization { name, value }) = authorization {
            request = request.header(name.clone(), value.clone());
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let head = timeout_at(end, request.send()).await.map_err(|_| Trouble::Silent)?;
        let response = head.map_err(|error| not_sent(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply {
            provider,
            status,
            content_type: headers::content_type(&headers),
            date: headers::date(&headers),
            retry_after: headers::retry_after(&headers),
            body: read(response, end).await?,
        })
    }

    /// What is known about the host of `url`.
    pub(super) fn host(&self, url: &Url) -> Arc<Host> {
        let authority = url.origin().ascii_serialization();
        let make = || Host::new(authority.clone());
        self.known.hosts.get(authority.clone(), make, |host| host.at_rest(Instant::now()))
    }

    /// The account of `spec`: whoever asks with the same id shares its places, with the same budget its pace.
    #[must_use]
    pub fn account(&self, spec: AccountSpec) -> Account {
        let AccountSpec { id, provider, group, limits } = spec;
        let budget = match group {
            Some(group) => Budget::Group(id.tenant.clone(), provider, group),
            None => Budget::Own(id.clone()),
        };
        let bounds = &self.known.limits;
        let make = || Places::new(bounds.credential_in_flight, bounds.credential_waiting);
        let places = self.known.places.get(id.clone(), make, Places::at_rest);
        let pace = self.known.paces.get(budget, Pace::default, |pace| pace.at_rest(Instant::now()));
        Account::new(id, places, pace, if self.known.unpaced { Vec::new() } else { limits })
    }

    /// The client for `url`.
    /// Fails for an address that is not to be reached: of a literal address the resolver is not asked.
    fn client(&self, url: &Url) -> std::result::Result<&reqwest::Client, Trouble> {
        if self.guard.names(url) {
            return Ok(&self.allowed);
        }
        if let Some(address) = literal(url).filter(|address| !self.guard.reaches(*address)) {
            tracing::warn!(%address, "not called: the address is not public and not in the allow-list");
            return Err(Trouble::Unreachable);
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
        UrlHost::Domain(_) => None,
        UrlHost::Ipv4(address) => Some(address.into()),
        UrlHost::Ipv6(address) => Some(address.into()),
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

/// Reads the body, at most as much as we take, with at most a pause of [`LONGEST_STALL`] between its parts.
async fn read(mut response: reqwest::Response, end: Instant) -> std::result::Result<Bytes, Trouble> {
    let largest = u64::try_from(LARGEST_REPLY).unwrap_or(u64::MAX);
    if response.content_length().is_some_and(|length| length > largest) {
        return Err(Trouble::TooLarge);
    }
    let mut body = BytesMut::new();
    loop {
        let stalled = Instant::now() + LONGEST_STALL;
        let Ok(part) = timeout_at(end.min(stalled), response.chunk()).await else {
            return Err(if stalled < end { Trouble::Stalled } else { Trouble::Slow });
        };
        match part {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST_REPLY => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Trouble::TooLarge),
            Err(error) if is_line(&error) => return Err(Trouble::CutOff),
            Err(_) => return Err(Trouble::Undecodable),
        }
    }
}

/// Whether reading failed on the line; else it failed on what came over it. The client's kinds do not tell: it calls
/// both a failure to decode.
fn is_line(error: &reqwest::Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |&cause| cause.source())
        .any(<dyn std::error::Error + 'static>::is::<hyper::Error>)
}

/// The client's error texts hold addresses and are not passed on; its kinds are.
fn not_sent(error: &reqwest::Error) -> Trouble {
    if error.is_connect() {
        return if is_certificate(error) { Trouble::Certificate } else { Trouble::Unreachable };
    }
    if error.is_builder() { Trouble::Unbuildable } else { Trouble::Broken }
}

fn is_certificate(error: &reqwest::Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |&cause| cause.source())
        .any(|cause| cause.to_string().contains("certificate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(tenant: &str, credential: &str, group: Option<&str>) -> AccountSpec {
        AccountSpec {
            id: AccountId { tenant: tenant.into(), credential: credential.into() },
            provider: Provider::new("fake"),
            group: group.map(Text::from),
            limits: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_outlives_whoever_met_it_and_holds_its_budget_alone() {
        let transport = Transport::new(&BaseUrlGuard::default()).unwrap();
        let met = spec("ten_1", "crd_1", Some("company"));
        transport.account(met.clone()).pace.pause(Some(Duration::from_hours(1)));
        // So many others that what rests is forgotten.
        for number in 0..1000 {
            drop(transport.account(spec("ten_1", &format!("crd_other{number}"), None)));
        }
        let paused = |spec| !transport.account(spec).pace.at_rest(Instant::now());
        assert!(paused(met));
        assert!(paused(spec("ten_1", "crd_2", Some("company"))), "of one company");
        for apart in [
            spec("ten_1", "crd_1", None),
            spec("ten_1", "crd_2", Some("another")),
            spec("ten_2", "crd_1", Some("company")),
        ] {
            assert!(!paused(apart));
        }
    }
}
