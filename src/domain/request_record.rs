//! What happened in one request, for the access log and the metrics: ids, codes and times, never a value.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{
    Caller, CredentialId, Failure, FailureKind, KeyId, Principal, Provider, TenantId, Text, TraceParent,
    Warning, WarningCode,
};

/// The record of one request; clones share it. The default belongs to no request, such as that of a background job, and
/// records nothing.
#[derive(Clone, Default)]
pub struct RequestRecord(Option<Arc<Mutex<RequestFacts>>>);

/// The facts of one request.
#[derive(Clone, Debug, Default)]
pub struct RequestFacts {
    pub tenant: Option<TenantId>,
    /// Who sent it. Of a refused key, the public part.
    pub principal: Option<Principal>,
    /// The credentials in use, each once. A search has several.
    pub credentials: Vec<(CredentialId, Provider)>,
    /// The credentials that failed in a search over several.
    pub failed_credentials: Vec<(CredentialId, FailureKind)>,
    /// Why it failed.
    pub failure: Option<FailureKind>,
    /// Whether the caller broke the request off, whatever was made of it.
    pub has_left: bool,
    /// Whether its write went on when the caller had left.
    pub write_continues: bool,
    /// Why, if callers are not told.
    pub reason: Option<&'static str>,
    pub warnings: WarningCodes,
    /// Whether the response is the stored one of an earlier request.
    pub replayed: bool,
    /// The time of all waits: for permits, locks, rate limits, and before retries. Waits at the same time are added up.
    pub waited: Duration,
    /// The time of all calls to CRMs, added up.
    pub upstream: Duration,
    /// How many calls were sent to CRMs, with retries.
    pub attempts: u32,
    /// The last call that did not succeed; else the last one.
    pub attempt: Option<AttemptFacts>,
    /// The span of the request, if there are traces.
    pub trace: Option<TraceParent>,
}

/// How one call to a CRM ended.
#[derive(Clone, Debug)]
pub struct AttemptFacts {
    /// Scheme, host and port.
    pub host: Text,
    /// The status of the reply; `None` without a complete one.
    pub status: Option<u16>,
    /// Why there is no complete reply, such as `connection refused`.
    pub cause: Option<&'static str>,
}

impl AttemptFacts {
    /// The cause if nobody waited for the reply.
    pub const CALLER_LEFT: &'static str = "caller left";

    fn has_succeeded(&self) -> bool {
        self.status.is_some_and(|status| status < 400)
    }
}

/// A set of warning codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarningCodes(u32);

impl WarningCodes {
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = WarningCode> {
        WarningCode::ALL.into_iter().filter(move |code| self.0 & bit(*code) != 0)
    }
}

const fn bit(code: WarningCode) -> u32 {
    1 << code as u32
}

impl RequestRecord {
    /// The record of a new request, whose span is `trace` if there are traces.
    #[must_use]
    pub fn begin(trace: Option<TraceParent>) -> Self {
        Self(Some(Arc::new(Mutex::new(RequestFacts { trace, ..RequestFacts::default() }))))
    }

    /// The span of the request, if there are traces.
    #[must_use]
    pub fn trace(&self) -> Option<TraceParent> {
        self.0.as_ref().and_then(|facts| facts.lock().trace)
    }

    /// The facts so far.
    #[must_use]
    pub fn facts(&self) -> RequestFacts {
        self.0.as_ref().map(|facts| facts.lock().clone()).unwrap_or_default()
    }

    fn note(&self, note: impl FnOnce(&mut RequestFacts)) {
        if let Some(facts) = &self.0 {
            note(&mut facts.lock());
        }
    }

    pub fn note_caller(&self, caller: &Caller) {
        self.note(|facts| {
            facts.tenant = Some(caller.tenant.clone());
            facts.principal = Some(caller.principal.clone());
        });
    }

    pub fn note_operator(&self) {
        self.note(|facts| facts.principal = Some(Principal::Operator));
    }

    /// Notes a refused key by its public part.
    pub fn note_refused(&self, key: KeyId) {
        self.note(|facts| facts.principal = Some(Principal::Key(key)));
    }

    /// Notes the tenant of a request that was refused.
    pub fn note_tenant(&self, tenant: &TenantId) {
        self.note(|facts| facts.tenant = Some(tenant.clone()));
    }

    pub fn note_credential(&self, id: &CredentialId, provider: Provider) {
        self.note(|facts| {
            if !facts.credentials.iter().any(|(known, _)| known == id) {
                facts.credentials.push((id.clone(), provider));
            }
        });
    }

    /// Notes that a search got nothing from this credential.
    pub fn note_failed_credential(&self, id: &CredentialId, kind: FailureKind) {
        self.note(|facts| facts.failed_credentials.push((id.clone(), kind)));
    }

    pub fn note_failure(&self, failure: &Failure) {
        self.note(|facts| (facts.failure, facts.reason) = (Some(failure.kind), failure.reason));
    }

    pub fn note_warnings(&self, warnings: &[Warning]) {
        self.note_codes(warnings.iter().map(|warning| warning.code));
    }

    pub fn note_codes(&self, codes: impl IntoIterator<Item = WarningCode>) {
        let bits = codes.into_iter().fold(0, |bits, code| bits | bit(code));
        if bits != 0 {
            self.note(|facts| facts.warnings.0 |= bits);
        }
    }

    pub fn note_caller_left(&self) {
        self.note(|facts| facts.has_left = true);
    }

    /// The caller has left, and its write goes on.
    pub fn note_write_continues(&self) {
        self.note(|facts| facts.write_continues = true);
    }

    pub fn note_replayed(&self) {
        self.note(|facts| facts.replayed = true);
    }

    pub fn note_wait(&self, time: Duration) {
        if !time.is_zero() {
            self.note(|facts| facts.waited += time);
        }
    }

    /// Notes a call to a CRM that took `time`.
    pub fn note_attempt(&self, time: Duration, attempt: AttemptFacts) {
        self.note(|facts| {
            facts.attempts += 1;
            facts.upstream += time;
            if !attempt.has_succeeded() || facts.attempt.as_ref().is_none_or(AttemptFacts::has_succeeded) {
                facts.attempt = Some(attempt);
            }
        });
    }

    /// Notes that a call to `host` was not sent, because calls are paused. A call that was sent says more.
    pub fn note_unsent(&self, host: &Text) {
        self.note(|facts| {
            facts.attempt.get_or_insert_with(|| AttemptFacts {
                host: host.clone(),
                status: None,
                cause: None,
            });
        });
    }
}

impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "RequestRecord(begun)" } else { "RequestRecord(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(status: Option<u16>, cause: Option<&'static str>) -> AttemptFacts {
        AttemptFacts { host: "https://crm.example.com".into(), status, cause }
    }

    #[test]
    fn the_last_call_that_did_not_succeed_is_kept() {
        for (attempts, expected) in [
            (vec![(Some(200), None)], (Some(200), None)),
            (vec![(Some(503), None), (Some(200), None)], (Some(503), None)),
            (vec![(Some(404), None), (None, Some("no response"))], (None, Some("no response"))),
        ] {
            let record = RequestRecord::begin(None);
            for (status, cause) in attempts {
                record.note_attempt(Duration::from_millis(2), attempt(status, cause));
            }
            let kept = record.facts().attempt.unwrap();
            assert_eq!((kept.status, kept.cause), expected);
        }
    }

    #[test]
    fn every_warning_code_has_a_bit_of_its_own() {
        let record = RequestRecord::begin(None);
        record.note_codes(WarningCode::ALL);
        assert!(record.facts().warnings.iter().eq(WarningCode::ALL));
        assert!(RequestRecord::begin(None).facts().warnings.is_empty());
    }

    #[test]
    fn without_a_request_nothing_is_recorded() {
        let record = RequestRecord::default();
        record.note_wait(Duration::from_secs(1));
        record.note_failure(&Failure::internal("x"));
        let facts = record.facts();
        assert_eq!((facts.waited, facts.failure), (Duration::ZERO, None));
    }
}
