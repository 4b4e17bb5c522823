//! Sends a call once, over the client of its credential. It also keeps the state of hosts and accounts, which all calls share.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::time::{Instant, timeout_at};
use url::{Host as UrlHost, Url};

use super::account::AccountSpec;
use super::body::{self, LARGEST_REPLY, RoomFor};
use super::bytes::BytesInFlight;
use super::client::{Clients, ConnectionChoice, HttpClient};
use super::concurrency_limit::ConcurrencyLimit;
use super::host::Host;
use super::logins::User;
use super::lookups::Lookups;
use super::rate_limiter::RateLimiter;
use super::registry::Registry;
use super::resolver::Resolver;
use super::transport_error::{ConnectFault, TransportError};
use super::{
    AccountId, AccountLimits, Authorization, BaseUrlGuard, Call, FetchUrl, Lookup, Reply, Secrets,
    SystemLookup, headers,
};
use crate::config::Limits;
use crate::domain::{Provider, TenantId, Text, TraceParent};
use crate::telemetry::RepeatLimit;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const US: HeaderValue = HeaderValue::from_static(concat!("contacts-gateway/", env!("CARGO_PKG_VERSION")));

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const CLOCK_LOGGED_EVERY: Duration = Duration::from_hours(1);

/// The parts that the clients of all credentials share: TLS, lookups, and the state from calls.
#[derive(Clone)]
pub struct Transport {
    guard: BaseUrlGuard,
    clients: Clients,
    lookups: Arc<Lookups>,
    /// For documents that the operator configured.
    operator: HttpClient,
    shared: Arc<SharedState>,
}

/// The state from earlier calls; it outlives the adapters that made them.
struct SharedState {
    limits: Limits,
    bytes: BytesInFlight,
    unlimited: bool,
    hosts: Registry<String, Host>,
    concurrency: Registry<AccountId, ConcurrencyLimit>,
    rates: Registry<RateBudget, RateLimiter>,
    users: Registry<(TenantId, String, String), User>,
    /// When a wrong clock was last logged.
    clock_logged: RepeatLimit,
}

impl SharedState {
    fn new(limits: Limits, unlimited: bool) -> Self {
        Self {
            limits,
            bytes: BytesInFlight::new(&limits),
            unlimited,
            hosts: Registry::default(),
            concurrency: Registry::default(),
            rates: Registry::default(),
            users: Registry::default(),
            clock_logged: RepeatLimit::new(CLOCK_LOGGED_EVERY),
        }
    }
}

/// Who sends a call, and over what.
pub(super) struct Sender<'a> {
    pub(super) client: &'a HttpClient,
    pub(super) connection: ConnectionChoice,
    pub(super) provider: Provider,
    pub(super) tenant: &'a TenantId,
    pub(super) authorization: Option<&'a Authorization>,
    /// The span of the call, if there are traces.
    pub(super) traceparent: Option<TraceParent>,
}

/// The timeouts of one attempt.
#[derive(Clone, Copy)]
pub(super) struct CallTimes {
    /// From the first byte of the request to the last one of the reply, without waiting for room.
    pub(super) within: Duration,
    /// Until when room for a large reply is waited for.
    pub(super) room: Instant,
}

/// Which calls count against the same rate limit.
#[derive(PartialEq, Eq, Hash)]
enum RateBudget {
    Own(AccountId),
    Group(TenantId, Provider, Text),
}

impl Transport {
    /// Reads the machine's certificates. Connections go only where `guard` allows. Fails if there are no certificates.
    pub fn new(guard: &BaseUrlGuard) -> std::result::Result<Self, rustls::Error> {
        Self::with_lookup(guard, Arc::new(SystemLookup))
    }

    /// The same with another source of addresses.
    pub fn with_lookup(
        guard: &BaseUrlGuard,
        lookup: Arc<dyn Lookup>,
    ) -> std::result::Result<Self, rustls::Error> {
        let (clients, lookups) = (Clients::new()?, Arc::new(Lookups::new(lookup)));
        let operator = clients.client(&Resolver::new(Arc::clone(&lookups), None, None), false);
        let shared = Arc::new(SharedState::new(Limits::default(), false));
        Ok(Self { guard: guard.clone(), clients, lookups, operator, shared })
    }

    /// The same with other limits and without any state.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { shared: Arc::new(SharedState::new(limits, false)), ..self }
    }

    /// The same without any state and without the CRMs' published rate limits, for simulators, which have none. Pauses still apply.
    #[must_use]
    pub fn unpaced(self) -> Self {
        let limits = self.shared.limits;
        Self { shared: Arc::new(SharedState::new(limits, true)), ..self }
    }

    /// How many bytes of replies and of responses are in memory.
    #[must_use]
    pub fn bytes_in_flight(&self) -> BytesInFlight {
        self.shared.bytes.clone()
    }

    /// Hosts to which calls are paused: those of some tenant, and those of all.
    #[must_use]
    pub fn breakers_open(&self) -> [usize; 2] {
        [0, 1].map(|scope| self.shared.hosts.count(|host| host.pauses()[scope]))
    }

    /// The hosts to which calls of some tenant or of all are paused, in order.
    #[must_use]
    pub fn paused_hosts(&self) -> Vec<Text> {
        let is_paused = |host: &Host| host.pauses().contains(&true);
        let paused = self.shared.hosts.select(|host| is_paused(host).then(|| host.authority().clone()));
        paused.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Accounts and rate limit groups that a CRM asked to pause.
    #[must_use]
    pub fn paused_accounts(&self) -> usize {
        self.shared.rates.count(|rate| !rate.pause_left().is_zero())
    }

    /// Whether it is time to log again that this machine's clock and that of the host differ. Limited per host, so that one CRM with a
    /// wrong clock does not hide the others.
    pub(super) fn may_log_clock(&self, host: &str) -> bool {
        self.shared.clock_logged.due(host).is_some()
    }

    /// The public document at `url`, at most `largest` bytes, fetched without credentials. The operator configured the URL, so the
    /// guard for tenants' URLs does not apply. Fails with a reason for the log that contains nothing of the response.
    pub async fn fetch(
        &self,
        url: &FetchUrl,
        largest: usize,
        within: Duration,
    ) -> std::result::Result<Bytes, &'static str> {
        let end = crate::clock::monotonic() + within;
        let sent = self.operator.send(
            ConnectionChoice::Shared,
            http::Method::GET,
            url.url().clone(),
            sent_headers(None, false),
            None,
        );
        let head = timeout_at(end, sent).await.map_err(|_| "it did not respond in time")?;
        let response = head.map_err(|_| "it cannot be reached")?;
        if response.status() != http::StatusCode::OK {
            return Err("its response is not 200");
        }
        body::read(response, largest, end, None).await.map_err(|error| match error {
            TransportError::TooLarge => "its response is too large",
            TransportError::Slow | TransportError::Stalled => "it did not respond in time",
            _ => "its response broke off",
        })
    }

    /// Posts `request` to a collector that the operator configured, and reads at most `largest` bytes of its response. Fails with a
    /// reason for the log.
    pub async fn post(
        &self,
        request: Request<Bytes>,
        largest: usize,
        within: Duration,
    ) -> std::result::Result<Response<Bytes>, &'static str> {
        let end = crate::clock::monotonic() + within;
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string()).map_err(|_| "its URL is not valid")?;
        let sent = self.operator.send(ConnectionChoice::Shared, head.method, url, head.headers, Some(body));
        let response = timeout_at(end, sent).await.map_err(|_| "it did not respond in time")?;
        let response = response.map_err(TransportError::cause)?;
        let status = response.status();
        let body = body::read(response, largest, end, None).await.map_err(TransportError::cause)?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }

    /// A client of `tenant` for the host of `url`, with its own connections.
    pub(super) fn client(&self, tenant: &TenantId, url: &Url) -> HttpClient {
        // A host on the allow-list may have any address.
        let named = self.guard.names(url);
        let guard = (!named).then(|| self.guard.clone());
        self.clients.client(&Resolver::new(Arc::clone(&self.lookups), Some(tenant.clone()), guard), !named)
    }

    /// Sends `call` of `sender` to `url` once, and reads the whole reply within `times`.
    pub(super) async fn send(
        &self,
        sender: &Sender<'_>,
        call: &Call,
        url: &Url,
        times: CallTimes,
    ) -> std::result::Result<Reply, TransportError> {
        let end = crate::clock::monotonic() + times.within;
        self.check_literal(url)?;
        let mut headers = sent_headers(sender.authorization, call.body.is_some());
        let traceparent = sender.traceparent.as_ref().map(|parent| HeaderValue::from_str(parent.as_str()));
        headers.extend(traceparent.and_then(std::result::Result::ok).map(|value| (TRACEPARENT, value)));
        let sent = sender.client.send(
            sender.connection,
            call.method.clone(),
            url.clone(),
            headers,
            call.body.clone().map(Bytes::from),
        );
        let response = timeout_at(end, sent).await.map_err(|_| TransportError::Silent)??;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let room = RoomFor { budget: &self.shared.bytes.replies, tenant: sender.tenant, until: times.room };
        Ok(Reply {
            provider: sender.provider,
            status,
            content_type: headers::content_type(&headers),
            date: headers::date(&headers),
            retry_after: headers::retry_after(&headers),
            body: body::read(response, LARGEST_REPLY, end, Some(room)).await?,
            secrets: Secrets::default(),
            checked: OnceLock::new(),
            counted: None,
        })
    }

    /// The state of the host of `url`, which `tenant` uses.
    pub(super) fn host(&self, tenant: &TenantId, url: &Url) -> Arc<Host> {
        let authority = url.origin().ascii_serialization();
        let make = || Host::new(authority.as_str());
        self.shared.hosts.get(tenant, authority.clone(), make, |host| host.is_idle(crate::clock::monotonic()))
    }

    /// The logins of the tenant's `user` at the host of `url`.
    pub(super) fn user(&self, tenant: &TenantId, url: &Url, user: &str) -> Arc<User> {
        let key = (tenant.clone(), url.origin().ascii_serialization(), user.trim().to_lowercase());
        self.shared.users.get(tenant, key, User::default, |user| user.is_idle(crate::clock::monotonic()))
    }

    /// The limits of the account of `spec`. Accounts with the same id share all of them, those of the same group the rate limit.
    #[must_use]
    pub fn account(&self, spec: AccountSpec) -> AccountLimits {
        let AccountSpec { id, provider, group, limits } = spec;
        let concurrency = self.shared.concurrency.get(
            &id.tenant,
            id.clone(),
            || ConcurrencyLimit::new(&self.shared.limits),
            ConcurrencyLimit::is_idle,
        );
        let rate = |budget| {
            let is_idle = |rate: &RateLimiter| rate.is_idle(crate::clock::monotonic());
            self.shared.rates.get(&id.tenant, budget, RateLimiter::default, is_idle)
        };
        let own = rate(RateBudget::Own(id.clone()));
        let group = group.map(|group| rate(RateBudget::Group(id.tenant.clone(), provider, group)));
        let limits = if self.shared.unlimited { Vec::new() } else { limits };
        AccountLimits::new(id, concurrency, own, group, limits)
    }

    /// Fails for a literal address that is not allowed, because it is not resolved.
    fn check_literal(&self, url: &Url) -> std::result::Result<(), TransportError> {
        match literal(url) {
            Some(address) if !self.guard.names(url) && !self.guard.reaches(address) => {
                tracing::warn!(%address, "not called: the address is neither public nor on the allow-list");
                Err(TransportError::Unreachable(ConnectFault::NotAllowed))
            }
            _ => Ok(()),
        }
    }
}

fn sent_headers(authorization: Option<&Authorization>, has_body: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(ACCEPT, JSON);
    headers.insert(ACCEPT_ENCODING, GZIP);
    headers.insert(USER_AGENT, US);
    if let Some(Authorization { name, value }) = authorization {
        headers.append(name.clone(), value.clone());
    }
    if has_body {
        headers.insert(CONTENT_TYPE, JSON);
    }
    headers
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        UrlHost::Domain(_) => None,
        UrlHost::Ipv4(address) => Some(address.into()),
        UrlHost::Ipv6(address) => Some(address.into()),
    }
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
        transport.account(met.clone()).pause(Some(Duration::from_hours(1)));
        // So many others that what rests is forgotten.
        for number in 0..1000 {
            drop(transport.account(spec("ten_1", &format!("crd_other{number}"), None)));
        }
        let alone =
            |credential: &str, tenant: &str| transport.account(spec(tenant, credential, None)).pause_left();
        let paused = |spec| transport.account(spec).pause_left();
        let hour = Duration::from_hours(1);
        assert_eq!(paused(met), hour);
        assert_eq!(paused(spec("ten_1", "crd_1", Some("another"))), hour, "whichever its group is");
        assert_eq!(alone("crd_1", "ten_1"), hour);
        let mate = paused(spec("ten_1", "crd_2", Some("company")));
        assert_eq!(mate, Duration::from_mins(5), "of one company");
        assert_eq!(paused(spec("ten_1", "crd_2", Some("another"))), Duration::ZERO);
        assert_eq!(paused(spec("ten_2", "crd_1", Some("company"))), Duration::ZERO);
        tokio::time::advance(Duration::from_mins(5)).await;
        assert_eq!(paused(spec("ten_1", "crd_2", Some("company"))), Duration::ZERO);
        assert_eq!(alone("crd_1", "ten_1"), Duration::from_mins(55));
    }
}
