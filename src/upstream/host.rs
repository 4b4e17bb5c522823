//! The circuit breakers and retry budgets of one host: one of each per tenant, and one breaker that all tenants share.
//!
//! A tenant must not be able to block a host for others. So a tenant's breaker counts only the calls of that tenant.
//! The shared breaker counts only failures that do not depend on the caller: no connection, no valid certificate, 502, 503
//! or 504. It opens when at least two tenants have each met the breaker's rule by such failures, and no call of any tenant
//! worked since. It does not apply to a tenant whose last call worked, nor to the probe of a tenant's own breaker.

use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

use parking_lot::Mutex;

use super::breaker::{Breaker, BreakerPermit, CallVerdict, History, LONGEST_OPEN, Transition};
use super::retry_budget::RetryBudget;
use crate::domain::{Failure, FailureKind, Result, TenantId, Text};
use crate::telemetry::series;

/// How many tenants must find a host down before the shared breaker opens.
const TENANTS: usize = 2;

/// One authority: scheme, host and port.
pub(super) struct Host {
    authority: Text,
    known: Mutex<HostState>,
}

#[derive(Default)]
struct HostState {
    shared: Breaker,
    /// Tenants that found the host down since the last success of any tenant, and when they last did.
    down: HashMap<TenantId, Instant>,
    tenants: HashMap<TenantId, TenantUse>,
}

/// What one tenant's calls to the host showed.
#[derive(Default)]
struct TenantUse {
    /// How many adapters of the tenant use the host.
    handles: usize,
    breaker: Breaker,
    retries: RetryBudget,
    /// The tenant's calls as the shared breaker counts them.
    history: History,
    /// Whether its last call with a result about the host worked.
    works: bool,
}

impl TenantUse {
    fn is_idle(&self, now: Instant) -> bool {
        self.breaker.is_idle(now) && self.retries.is_idle(now) && self.history.is_idle(now)
    }
}

impl Host {
    pub(super) fn new(authority: impl Into<Text>) -> Self {
        Self { authority: authority.into(), known: Mutex::default() }
    }

    pub(super) const fn authority(&self) -> &Text {
        &self.authority
    }

    /// Whether calls of some tenant are paused now, and whether those of all are.
    pub(super) fn pauses(&self) -> [bool; 2] {
        let (known, now) = (self.known.lock(), crate::clock::monotonic());
        [known.tenants.values().any(|tenant| tenant.breaker.refuses(now)), known.shared.refuses(now)]
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let known = self.known.lock();
        known.shared.is_idle(now) && known.tenants.values().all(|tenant| tenant.is_idle(now))
    }
}

impl HostState {
    fn tenant(&mut self, tenant: &TenantId) -> &mut TenantUse {
        self.tenants.entry(tenant.clone()).or_default()
    }

    /// Admits a call by the tenant's own breaker and, if that applies, by the shared one. Fails with the time to wait.
    fn admit(
        &mut self,
        now: Instant,
        tenant: &TenantId,
    ) -> std::result::Result<(BreakerPermit, Option<BreakerPermit>), std::time::Duration> {
        let of_tenant = self.tenant(tenant);
        let own = of_tenant.breaker.admit(now)?;
        if own == BreakerPermit::Probe || of_tenant.works {
            return Ok((own, None));
        }
        Ok((own, Some(self.shared.admit(now)?)))
    }

    /// Notes the result of a call. Returns the change of the tenant's breaker and of the shared one.
    fn note(
        &mut self,
        now: Instant,
        tenant: &TenantId,
        (own, shared): (BreakerPermit, Option<BreakerPermit>),
        verdict: CallVerdict,
    ) -> [Option<Transition>; 2] {
        let of_tenant = self.tenant(tenant);
        let own = of_tenant.breaker.note(now, own, verdict);
        let probed = shared == Some(BreakerPermit::Probe);
        let shared = match verdict {
            CallVerdict::Works => {
                of_tenant.works = true;
                of_tenant.history.note(now, false);
                self.down.clear();
                self.shared.close()
            }
            CallVerdict::HostFailed => {
                of_tenant.works = false;
                let is_down = of_tenant.history.note(now, true);
                if is_down {
                    self.down.retain(|_, since| now.saturating_duration_since(*since) < LONGEST_OPEN);
                    self.down.insert(tenant.clone(), now);
                }
                if probed {
                    self.shared.note(now, BreakerPermit::Probe, verdict)
                } else if is_down && self.down.len() >= TENANTS {
                    self.shared.open(now)
                } else {
                    None
                }
            }
            // The result says nothing about the host, so the next call is the probe.
            CallVerdict::Failed | CallVerdict::Nothing if probed => {
                self.shared.note(now, BreakerPermit::Probe, CallVerdict::Nothing)
            }
            CallVerdict::Failed | CallVerdict::Nothing => None,
        };
        [own, shared]
    }
}

/// One adapter's handle to a host, for its tenant.
pub(super) struct HostHandle {
    pub(super) host: Arc<Host>,
    tenant: TenantId,
}

impl HostHandle {
    pub(super) fn new(host: Arc<Host>, tenant: TenantId) -> Self {
        {
            let (mut known, now) = (host.known.lock(), crate::clock::monotonic());
            known.tenants.retain(|of, tenant| {
                let is_kept = tenant.handles > 0 || !tenant.is_idle(now);
                if !is_kept && tenant.breaker.is_open() {
                    let host = host.authority.as_str();
                    tracing::info!(host, of = of.as_str(), "breaker closed, because nobody used it");
                }
                is_kept
            });
            known.tenant(&tenant).handles += 1;
        }
        Self { host, tenant }
    }

    /// Notes a call; calls add to the retry budget.
    pub(super) fn count_call(&self) {
        self.host.known.lock().tenant(&self.tenant).retries.count_call(crate::clock::monotonic());
    }

    /// Takes a retry from the tenant's budget for this host, if one is left.
    pub(super) fn may_retry(&self) -> bool {
        self.host.known.lock().tenant(&self.tenant).retries.take(crate::clock::monotonic())
    }

    /// Admits a call. Fails with `upstream_circuit_open` and the time to wait.
    pub(super) fn admit(&self) -> Result<HostPermit<'_>> {
        match self.host.known.lock().admit(crate::clock::monotonic(), &self.tenant) {
            Ok(admitted) => Ok(HostPermit { handle: self, admitted, noted: false }),
            Err(wait) => {
                let detail = "The CRM's host failed repeatedly; calls to it are paused. Nothing was sent.";
                Err(Failure::new(FailureKind::UpstreamCircuitOpen, detail).with_retry_after(Some(wait)))
            }
        }
    }
}

impl Drop for HostHandle {
    fn drop(&mut self) {
        let mut known = self.host.known.lock();
        let tenant = known.tenant(&self.tenant);
        tenant.handles = tenant.handles.saturating_sub(1);
    }
}

/// A call that was admitted. Dropping it counts as no result: if it was the probe, the next call is the probe.
pub(super) struct HostPermit<'a> {
    handle: &'a HostHandle,
    admitted: (BreakerPermit, Option<BreakerPermit>),
    noted: bool,
}

impl HostPermit<'_> {
    pub(super) fn note(mut self, verdict: CallVerdict) {
        self.report(verdict);
    }

    fn report(&mut self, verdict: CallVerdict) {
        self.noted = true;
        let HostHandle { host, tenant } = self.handle;
        let [own, shared] = host.known.lock().note(crate::clock::monotonic(), tenant, self.admitted, verdict);
        let authority = &host.authority;
        for (change, of, scope) in [(own, tenant.as_str(), "tenant"), (shared, "all tenants", "host")] {
            match change {
                Some(Transition::Opened(span)) => {
                    series::breaker_opened(scope);
                    tracing::warn!(host = authority.as_str(), of, ?span, "breaker opened");
                }
                Some(Transition::Closed) => {
                    tracing::info!(host = authority.as_str(), of, "breaker closed");
                }
                None => {}
            }
        }
    }
}

impl Drop for HostPermit<'_> {
    fn drop(&mut self) {
        if !self.noted {
            self.report(CallVerdict::Nothing);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    fn host() -> Arc<Host> {
        Arc::new(Host::new("https://crm.example.com"))
    }

    fn guest(host: &Arc<Host>, tenant: &str) -> HostHandle {
        HostHandle::new(Arc::clone(host), tenant.into())
    }

    fn call(guest: &HostHandle, verdict: CallVerdict) -> bool {
        guest.admit().map(|pass| pass.note(verdict)).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waited_is_not_sent_to_a_host_that_was_closed_meanwhile() {
        let host = host();
        let only = guest(&host, "a");
        drop(only.admit().unwrap());
        (0..5).for_each(|_| assert!(call(&only, CallVerdict::Failed)));
        let failure = only.admit().err().unwrap();
        assert_eq!(
            (failure.kind, failure.retry_after),
            (FailureKind::UpstreamCircuitOpen, Some(Duration::from_secs(5)))
        );
        advance(Duration::from_secs(5)).await;
        let probe = only.admit().unwrap();
        assert!(only.admit().is_err(), "one probe at a time");
        drop(probe);
        only.admit().unwrap().note(CallVerdict::Works);
        assert!(only.admit().is_ok());
    }

    /// Calls in order (`a`, `b`, `c` are tenants; `+` works, `!` is a failure of the host, `-` of the call), and which
    /// tenants are refused afterwards.
    #[tokio::test(start_paused = true)]
    async fn whose_failures_pause_whose_calls() {
        for (calls, refused) in [
            ("", ""),
            ("a! a! a! a! a!", "a"),
            ("a- a- a- a- a-", "a"),
            // A single failure of B adds nothing to the failures of A.
            ("a! a! a! a! a! b!", "a"),
            ("a! a! a! a! b! a!", "a"),
            // Each of two tenants must have met the rule itself.
            ("a! a! a! a! a! b! b! b! b!", "a"),
            ("a! a! a! a! a! b! b! b! b! b!", "abcd"),
            // By failures of the host, not of the call.
            ("a- a- a- a- a- b! b! b! b! b!", "ab"),
            ("a- a- a- a- a- b- b- b- b- b-", "ab"),
            // With no success of anybody since.
            ("a! a! a! a! a! c+ b! b! b! b! b!", "ab"),
            ("a! a! a! a! a! b! b! b! b! c+ b!", "ab"),
            // A tenant whose last call worked is not held back, one whose last call failed is.
            ("c+ a! a! a! a! a! b! b! b! b! b!", "abd"),
            ("c+ c! a! a! a! a! a! b! b! b! b! b!", "abcd"),
            // A refusal by the CRM or a failure of another kind does not change what is known about the host.
            ("c+ c- a! a! a! a! a! b! b! b! b! b!", "abd"),
            // A success of a tenant that is not paused closes the shared breaker; own breakers stay open.
            ("c+ a! a! a! a! a! b! b! b! b! b! c+", "ab"),
        ] {
            let host = host();
            let guests = ["a", "b", "c", "d"].map(|name| guest(&host, name));
            for step in calls.split_whitespace() {
                let who = guests.iter().find(|guest| step.starts_with(guest.tenant.as_str())).unwrap();
                let verdict = match &step[1..] {
                    "+" => CallVerdict::Works,
                    "!" => CallVerdict::HostFailed,
                    _ => CallVerdict::Failed,
                };
                assert!(call(who, verdict), "{calls}: {step} was refused");
            }
            let held: String =
                guests.iter().filter(|g| g.admit().is_err()).map(|g| g.tenant.as_str()).collect();
            assert_eq!(held, refused, "{calls}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_shared_breaker_lets_one_probe_of_a_stranger_through_and_a_success_closes_it() {
        let host = host();
        let [one, other, stranger, second] = ["a", "b", "c", "d"].map(|name| guest(&host, name));
        for guest in [&one, &other] {
            (0..5).for_each(|_| assert!(call(guest, CallVerdict::HostFailed)));
        }
        for seconds in [5, 10, 20, 40, 60] {
            advance(Duration::from_millis(seconds * 1000 - 1)).await;
            assert!(stranger.admit().is_err());
            advance(Duration::from_millis(1)).await;
            let probe = stranger.admit().unwrap();
            assert!(second.admit().is_err(), "one probe at a time");
            probe.note(CallVerdict::HostFailed);
        }
        // A tenant whose own breaker is open probes by itself. Its success closes the shared breaker.
        assert!(second.admit().is_err());
        assert!(call(&one, CallVerdict::Works));
        assert!(call(&one, CallVerdict::Works) && call(&second, CallVerdict::Works));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_found_the_host_down_for_a_minute_at_most() {
        let host = host();
        let [one, other, stranger] = ["a", "b", "c"].map(|name| guest(&host, name));
        (0..5).for_each(|_| assert!(call(&one, CallVerdict::HostFailed)));
        advance(Duration::from_mins(1)).await;
        (0..5).for_each(|_| assert!(call(&other, CallVerdict::HostFailed)));
        assert!(stranger.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_of_a_tenant_outlives_its_ways_until_it_is_at_rest() {
        let host = host();
        let (one, same) = (guest(&host, "a"), guest(&host, "a"));
        (0..5).for_each(|_| assert!(call(&one, CallVerdict::Failed)));
        drop((one, same));
        assert!(!host.is_idle(crate::clock::monotonic()), "it stays open though nobody uses it");
        assert!(guest(&host, "a").admit().is_err());
        advance(Duration::from_mins(3)).await;
        assert!(host.is_idle(crate::clock::monotonic()));
        let lines = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let subscriber = subscriber.with_writer(move || LineBuffer(Arc::clone(&writer))).finish();
        tracing::subscriber::with_default(subscriber, || drop(guest(&host, "b")));
        assert_eq!(host.known.lock().tenants.len(), 1);
        let log = String::from_utf8(lines.lock().clone()).unwrap();
        assert!(log.contains("breaker closed, because nobody used it") && log.contains("of=\"a\""), "{log}");
    }

    struct LineBuffer(Arc<parking_lot::Mutex<Vec<u8>>>);

    impl std::io::Write for LineBuffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(crate::proptest_config::cases(256))]
        /// For any calls of up to four tenants in any order: a tenant whose calls all work is never refused. Once
        /// everything works again, every tenant is served after a minute.
        #[test]
        fn nobody_pauses_a_tenant_whose_calls_work(
            steps in proptest::collection::vec((0_u64..4000, 0_usize..5, 0_usize..4), 1..300)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let host = host();
                let others = ["a", "b", "c", "d"].map(|name| guest(&host, name));
                let honest = guest(&host, "honest");
                assert!(call(&honest, CallVerdict::Works));
                for (wait, who, what) in steps {
                    advance(Duration::from_millis(wait)).await;
                    match others.get(who) {
                        None => assert!(call(&honest, CallVerdict::Works), "the honest tenant was refused"),
                        Some(other) => {
                            let verdicts =
                                [CallVerdict::Works, CallVerdict::HostFailed, CallVerdict::Failed, CallVerdict::Nothing];
                            call(other, verdicts[what]);
                        }
                    }
                }
                advance(LONGEST_OPEN).await;
                for guest in &others {
                    assert!(call(guest, CallVerdict::Works) && call(guest, CallVerdict::Works));
                }
            });
        }
    }
}
