//! One dependable call: deadline, retries within a budget, breaker, rate limit, send.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep};
use url::Url;

use super::authorization::Authorization;
use super::breaker::CallVerdict;
use super::call::LEAST_TIME;
use super::client::{ConnectionChoice, HttpClient};
use super::host::HostHandle;
use super::retry::{AttemptOutcome, Retries, host_failed};
use super::transport::{CallTimes, Sender};
use super::transport_error::TransportError;
use super::{AccountLimits, BaseUrl, Call, Logins, Reply, RetrySafety, Secrets, Transport};
use crate::domain::{AttemptFacts, CallContext, Failure, FailureKind, Provider, Result, Timestamp};
use crate::telemetry::series::{self, CountedCall, UpstreamCall};
use crate::telemetry::traces::CallSpan;

/// The timeout of one attempt of a read, so that there is time for another.
const LONGEST_READ: Duration = Duration::from_secs(10);
/// A timeout counts against the host only if the host had at least this much time.
const MEANINGFUL_TIMEOUT: Duration = Duration::from_secs(5);
/// A larger difference between this machine's clock and a CRM's is logged.
const LARGEST_CLOCK_OFFSET: SignedDuration = SignedDuration::from_mins(5);

/// A call that was sent. If it is dropped before its end, because the caller left, it is noted all the same.
struct SentCall<'a> {
    upstream: &'a Upstream,
    context: &'a CallContext,
    call: &'a Call,
    at: Instant,
    is_open: bool,
}

impl SentCall<'_> {
    fn end(&mut self, outcome: &mut AttemptOutcome) {
        self.is_open = false;
        let date = outcome.as_ref().ok().and_then(|reply| reply.date);
        let counted = self.upstream.record(self.context, self.call, result(outcome), date, self.at.elapsed());
        // Only the body shows whether a reply with a good status is one.
        if let Ok(reply) = outcome
            && reply.is_success()
        {
            reply.counted = counted.map(Arc::new);
        }
    }
}

impl Drop for SentCall<'_> {
    fn drop(&mut self) {
        if self.is_open {
            drop(self.upstream.record(
                self.context,
                self.call,
                Err(AttemptFacts::CALLER_LEFT),
                None,
                self.at.elapsed(),
            ));
        }
    }
}

/// One CRM account over HTTP: base URL, authorisation, limits, and its own connections.
#[derive(Clone)]
pub struct Upstream {
    transport: Transport,
    client: HttpClient,
    provider: Provider,
    base: Arc<BaseUrl>,
    account: AccountLimits,
    host: Arc<HostHandle>,
    authorization: Option<Authorization>,
    /// All secrets of the account, also those that are not sent with each call, such as a password.
    secrets: Secrets,
}

impl Upstream {
    /// An account whose calls are not authorised yet.
    #[must_use]
    pub fn new(transport: Transport, provider: Provider, base: BaseUrl, account: AccountLimits) -> Self {
        let client = transport.client(&account.id.tenant, base.url());
        let host = Arc::new(HostHandle::new(
            transport.host(&account.id.tenant, base.url()),
            account.id.tenant.clone(),
        ));
        Self {
            transport,
            client,
            provider,
            base: Arc::new(base),
            account,
            host,
            authorization: None,
            secrets: Secrets::default(),
        }
    }

    /// The same account with `authorization` for its calls.
    #[must_use]
    pub fn authorized(self, authorization: Authorization) -> Self {
        let secrets = self.secrets.and(authorization.secret());
        Self { authorization: Some(authorization), secrets, ..self }
    }

    /// The same account with a further secret, which is removed from the CRM's messages.
    #[must_use]
    pub fn hiding(self, password: &str) -> Self {
        Self { secrets: self.secrets.and(password), ..self }
    }

    /// The secrets that are removed from the CRM's messages.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The logins of `user` at this CRM, which all its credentials share.
    #[must_use]
    pub fn logins(&self, user: &str, password: &str) -> Logins {
        let user = self.transport.user(&self.account.id.tenant, self.base.url(), user);
        Logins::new(user, self.base.as_str(), password)
    }

    #[must_use]
    pub fn base_url(&self) -> &BaseUrl {
        &self.base
    }

    #[must_use]
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// Sends `call`, and again if that is safe and may help. Reads the whole reply, whatever its status.
    ///
    /// Fails with `upstream_timeout`, `upstream_unreachable`, `upstream_tls` or `upstream_invalid_response`; the
    /// failure's effect says whether the request may have been applied. If nothing was sent, fails with
    /// `upstream_circuit_open`, `rate_limited`, `upstream_rate_limited` or `gateway_timeout`.
    pub async fn call(&self, context: &CallContext, call: &Call) -> Result<Reply> {
        let url = self.address(call)?;
        let host = self.host.host.authority();
        let mut span =
            CallSpan::begin(context.record.trace(), self.provider, &call.method, call.template, host);
        let reply = self.dependably(context, call, &url, &mut span).await;
        span.end(reply.as_ref().map(|reply| reply.status).map_err(|failure| failure.kind.code()));
        let reply = reply.map_err(|failure| failure.with_upstream(self.provider, None))?;
        if reply.is_success() && self.authorization.is_some() {
            self.account.note_success();
        }
        Ok(Reply { secrets: self.secrets.clone(), ..reply })
    }

    async fn dependably(
        &self,
        context: &CallContext,
        call: &Call,
        url: &Url,
        span: &mut CallSpan,
    ) -> Result<Reply> {
        let traceparent = span.traceparent();
        // One deadline for all that follows, including waits. Nothing is sent after it.
        let deadline = crate::clock::monotonic() + context.remaining();
        // The retries enclose the rest: each attempt goes through breaker and rate limiter again, because the last one may have changed
        // them.
        let host = &self.host.host;
        self.host.count_call();
        let mut retries = Retries::new(call.repeat, &self.host);
        let mut last: Option<AttemptOutcome> = None;
        loop {
            let began = crate::clock::monotonic();
            let ready = async {
                // The breaker comes before the rate limiter, so that a call to a paused host neither waits nor uses the rate limit.
                // The permit is dropped at once: a probe that waits for the rate limiter would block other calls.
                drop(self.host.admit()?);
                self.account.start(context.priority, deadline).await?;
                // Asked again, because it may have opened while this call waited.
                let pass = self.host.admit()?;
                let within = attempt(call.repeat, deadline).ok_or_else(too_late)?;
                Ok((pass, within))
            };
            let ready = ready.await;
            context.record.note_wait(began.elapsed());
            let (pass, within) = match ready {
                Ok(ready) => ready,
                Err(refusal) => {
                    context.record.note_unsent(host.authority());
                    // The result of an earlier attempt says more than that there is no further one.
                    return last.map_or(Err(refusal), reply);
                }
            };
            // One attempt. Its result is recorded for host and account before the next wait.
            let times = CallTimes { within, room: room_deadline(call.repeat, within, deadline) };
            // A failed read is repeated over a new connection, because the idle ones may be closed too.
            let shared = call.repeat == RetrySafety::Safe && last.is_none();
            let sender = Sender {
                client: &self.client,
                connection: if shared { ConnectionChoice::Shared } else { ConnectionChoice::New },
                provider: self.provider,
                tenant: &self.account.id.tenant,
                authorization: self.authorization.as_ref(),
                traceparent,
            };
            span.attempt();
            let mut sent =
                SentCall { upstream: self, context, call, at: crate::clock::monotonic(), is_open: true };
            let mut outcome = self.transport.send(&sender, call, url, times).await;
            sent.end(&mut outcome);
            pass.note(verdict(&outcome, within));
            self.keep_pause(&outcome);
            match retries.after(&outcome, deadline) {
                Some(wait) => {
                    context.record.note_wait(wait);
                    span.retry(result(&outcome), wait);
                    sleep(wait).await;
                }
                None => return reply(outcome),
            }
            series::upstream_retry(self.provider);
            last = Some(outcome);
        }
    }

    /// After a 429, calls of the account are paused, and for a shorter time those of all that share its rate limit.
    fn keep_pause(&self, outcome: &AttemptOutcome) {
        if let Ok(reply) = outcome
            && reply.status == 429
        {
            let pause = self.account.pause(reply.retry_after);
            tracing::info!(provider = %self.provider, host = self.host.host.authority().as_str(), ?pause, "the CRM requested a pause");
        }
    }

    /// Notes an attempt that took `took` for the access log and the metrics: its status, or why there is none.
    fn record(
        &self,
        context: &CallContext,
        call: &Call,
        result: std::result::Result<u16, &'static str>,
        date: Option<Timestamp>,
        took: Duration,
    ) -> Option<CountedCall> {
        let (host, status, cause) = (self.host.host.authority(), result.ok(), result.err());
        context.record.note_attempt(took, AttemptFacts { host: host.clone(), status, cause });
        let counted = series::upstream_call(&UpstreamCall {
            provider: self.provider,
            method: &call.method,
            template: call.template,
            outcome: result,
            took,
            clock_offset: date.map(|date| self.clock_offset(date)),
        });
        tracing::debug!(
            provider = %self.provider,
            host = host.as_str(),
            method = %call.method,
            path = call.template,
            status,
            cause,
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            request_id = context.request_id.as_str(),
            "upstream call"
        );
        counted
    }

    /// The seconds of this machine's clock, on which tokens and expiries depend, minus those of the CRM's clock. A large
    /// difference is logged.
    fn clock_offset(&self, date: Timestamp) -> f64 {
        let offset = crate::clock::now().duration_since(date);
        let host = self.host.host.authority().as_str();
        if offset.abs() > LARGEST_CLOCK_OFFSET && self.transport.may_log_clock(host) {
            let seconds = offset.as_secs();
            tracing::warn!(
                provider = %self.provider,
                host,
                seconds,
                "this machine's clock and the CRM's differ; check this machine's, as expiries depend on it"
            );
        }
        offset.as_secs_f64()
    }

    fn address(&self, call: &Call) -> Result<Url> {
        call.at(self.base.url().clone())
    }
}

/// The status of the reply, or why there is none.
fn result(outcome: &AttemptOutcome) -> std::result::Result<u16, &'static str> {
    outcome.as_ref().map(|reply| reply.status).map_err(|error| error.cause())
}

fn reply(outcome: AttemptOutcome) -> Result<Reply> {
    outcome.map_err(TransportError::failure)
}

/// The timeout of an attempt; `None` if it is too late for one. A write leaves a third of the time for finding out its outcome.
fn attempt(repeat: RetrySafety, deadline: Instant) -> Option<Duration> {
    let left = deadline.saturating_duration_since(crate::clock::monotonic());
    (left >= LEAST_TIME).then(|| match repeat {
        RetrySafety::Safe => left.min(LONGEST_READ),
        RetrySafety::AfterRefusal => left * 2 / 3,
    })
}

/// Until when an attempt waits for room for a large reply. A write keeps the rest of the time for finding out its outcome.
fn room_deadline(repeat: RetrySafety, within: Duration, deadline: Instant) -> Instant {
    match repeat {
        RetrySafety::Safe => deadline,
        RetrySafety::AfterRefusal => crate::clock::monotonic() + within,
    }
}

/// What an attempt shows about the host. A refusal shows that it works. A short timeout shows nothing. Only failures that
/// do not depend on the account or the path are failures of the host.
fn verdict(outcome: &AttemptOutcome, within: Duration) -> CallVerdict {
    match outcome {
        Ok(reply) if matches!(reply.status, 502..=504) => CallVerdict::HostFailed,
        Ok(reply) if host_failed(reply.status) => CallVerdict::Failed,
        Ok(_)
        | Err(
            TransportError::TooLarge
            | TransportError::Undecodable
            | TransportError::Dripping
            | TransportError::NoRoom,
        ) => CallVerdict::Works,
        Err(TransportError::Unreachable(_) | TransportError::Certificate(_)) => CallVerdict::HostFailed,
        Err(TransportError::Broken | TransportError::CutOff | TransportError::Stalled) => CallVerdict::Failed,
        Err(TransportError::Silent | TransportError::Slow) if within >= MEANINGFUL_TIMEOUT => {
            CallVerdict::Failed
        }
        Err(TransportError::Silent | TransportError::Slow | TransportError::Unbuildable) => {
            CallVerdict::Nothing
        }
    }
}

fn too_late() -> Failure {
    let detail = "The deadline passed before the CRM was called. Try again with a longer timeout.";
    Failure::new(FailureKind::GatewayTimeout, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CallContext, Effect};
    use crate::upstream::{AccountId, AccountSpec, AllowList, BaseUrlGuard};

    #[tokio::test]
    async fn a_literal_address_is_judged_before_every_request() {
        let canary = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", canary.local_addr().unwrap());
        // A URL that passed under a longer list than the one in force.
        let base = BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap()).check(&url).unwrap();
        let transport = Transport::new(&BaseUrlGuard::default()).unwrap();
        let provider = Provider::new("fake");
        let account = transport.account(AccountSpec {
            id: AccountId { tenant: "ten_1".into(), credential: "crd_1".into() },
            provider,
            group: None,
            limits: Vec::new(),
        });
        let upstream = Upstream::new(transport, provider, base, account);
        let context = CallContext::within(Duration::from_secs(2), "test".into());
        let failure = upstream.call(&context, &Call::new(http::Method::GET, "x")).await.unwrap_err();
        assert_eq!((failure.kind, &failure.effect), (FailureKind::UpstreamUnreachable, &Effect::None));
        let visit = tokio::time::timeout(Duration::from_millis(100), canary.accept()).await;
        assert!(visit.is_err());
    }
}
