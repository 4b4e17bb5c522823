//! Failures. One enum determines the HTTP status, the problem code and the retry advice.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CredentialId, FirstOf, Provider, RemoteId, Text, abbreviated_to, string_enum};

/// Why a request failed, and what it may have done nevertheless.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The kind, which decides status, code and retry advice.
    pub kind: FailureKind,
    /// A sentence that says what to fix. It contains no secret and no contact data of others.
    pub detail: Text,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
    /// What a failed write may have done at the CRM.
    pub effect: Effect,
    /// The fields or parameters at fault.
    pub faults: Faults,
    /// Contacts that conflict with the write.
    pub candidates: Candidates,
    /// The CRM that was called, if any.
    pub upstream: Option<UpstreamStatus>,
    /// Whether the same request may be sent again: as the kind says, unless more is known.
    pub retryable: Retryable,
    /// The contact's current `ETag`, if it differs from the one that the request requires.
    pub entity_tag: Option<Text>,
    /// How far the scan came, if it reached its limit.
    pub scan: Option<Box<ScanProgress>>,
    /// Why each credential failed, if a search got a response from none.
    pub failures: Vec<CredentialFailure>,
    /// Why, in words for the log that the caller must not see, such as why a key was refused.
    pub reason: Option<&'static str>,
}

/// The failure as an operator reads it: with its reason, or each of several faults on a line.
impl Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.faults.len() < 2 {
            let reason = self.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            return write!(formatter, "{}{reason}", self.detail.as_str());
        }
        let faults =
            self.faults.iter().map(|fault| format!("{}: {}", fault.place.as_str(), fault.detail.as_str()));
        formatter.write_str(&faults.collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for Failure {}

/// Why a credential has no part in the result of a search over several.
#[derive(Clone, Debug, PartialEq)]
pub struct CredentialFailure {
    pub credential: CredentialId,
    pub failure: Failure,
}

/// How far a scan came that reached its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanProgress {
    /// Rows that were read.
    pub rows_read: u64,
    /// Where the scan goes on; `None` if it cannot.
    pub next_cursor: Option<Text>,
}

/// The longest detail of a fault, in bytes, that the whole failure repeats beside other faults.
const MAX_REPEATED: usize = 200;

impl Failure {
    /// A failure of `kind` that had no effect.
    pub fn new(kind: FailureKind, detail: impl Into<Text>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            retry_after: None,
            effect: Effect::None,
            faults: Faults::new(),
            candidates: Candidates::new(),
            upstream: None,
            retryable: kind.retryable(),
            entity_tag: None,
            scan: None,
            failures: Vec::new(),
            reason: None,
        }
    }

    /// A body that breaks unified or provider rules. The detail is that of the first fault, and the number of the others. A
    /// long first detail, such as a list of valid values, is not repeated.
    #[must_use]
    pub fn validation(faults: impl Into<Faults>) -> Self {
        Self::of_faults(FailureKind::ValidationFailed, "fields", faults.into())
    }

    /// The same for parameters that are missing, malformed, unknown or repeated.
    #[must_use]
    pub fn parameters(faults: Faults) -> Self {
        Self::of_faults(FailureKind::InvalidParameter, "parameters", faults)
    }

    fn of_faults(kind: FailureKind, noun: &str, faults: Faults) -> Self {
        let first = faults.first().map_or_else(String::new, |fault| match fault.place.as_str() {
            "" => format!("The body: {}", fault.detail.as_str()),
            place => format!("{place}: {}", fault.detail.as_str()),
        });
        let listed = match faults.omitted() {
            0 => "see `errors`".to_owned(),
            _ => format!("`errors` lists the first {}", faults.len()),
        };
        let detail = match faults.total() {
            0 | 1 => first,
            all if first.len() > MAX_REPEATED => format!("{all} {noun} are not valid: {listed}."),
            all => format!("{first} (and {} more: {listed})", all - 1),
        };
        Self::new(kind, detail).with_faults(faults)
    }

    /// A parameter that is missing, malformed, unknown or repeated.
    pub fn parameter(name: impl Into<String>, detail: impl Into<Text>) -> Self {
        Self::parameters(vec![FieldFault::parameter(&name.into(), "invalid_parameter", detail)].into())
    }

    /// A bug or an impossible state; `detail` is logged and never sent to the caller.
    pub fn internal(detail: impl Into<Text>) -> Self {
        Self::new(FailureKind::Internal, detail)
    }

    /// The same failure with the fields or parameters at fault.
    #[must_use]
    pub fn with_faults(mut self, faults: impl Into<Faults>) -> Self {
        self.faults = faults.into();
        self
    }

    /// The same failure with its possible effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// The same failure with the contacts that conflict with the write.
    #[must_use]
    pub fn with_candidates(mut self, candidates: impl Into<Candidates>) -> Self {
        self.candidates = candidates.into();
        self
    }

    /// The same failure with a reason for the log.
    #[must_use]
    pub const fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The same failure with the time to wait before the next try.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// The same failure as one of another kind.
    #[must_use]
    pub fn turned(self, kind: FailureKind) -> Self {
        Self { kind, retryable: kind.retryable(), ..self }
    }

    /// The same failure with other retry advice than its kind gives.
    #[must_use]
    pub const fn with_retryable(mut self, retryable: Retryable) -> Self {
        self.retryable = retryable;
        self
    }

    /// The same failure with the CRM and the status of its response.
    #[must_use]
    pub const fn with_upstream(mut self, provider: Provider, status: Option<u16>) -> Self {
        self.upstream = Some(UpstreamStatus { provider, status });
        self
    }
}

/// What a failed write may have done at the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the request was not sent, or the CRM refused it for now.
    None,
    /// The CRM's response is final: it is recorded under the key and replayed.
    Final,
    /// It may have been applied.
    Unknown,
}

/// The first faults of a request, and how many more there are, so that the response stays short.
pub type Faults = FirstOf<FieldFault, 100>;

/// The first contacts that conflict with a write, and how many more there are.
pub type Candidates = FirstOf<Candidate, 20>;

/// Characters of a pointer or parameter's name: more than any valid one has.
const LOCATION_MOST: usize = 500;

/// One field or parameter at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    pub place: FaultLocation,
    /// A stable code, such as `required` or `unknown_member`.
    pub code: &'static str,
    /// A sentence that says what to fix.
    pub detail: Text,
}

impl FieldFault {
    /// A fault of the body's field at `pointer`.
    pub fn member(pointer: impl AsRef<str>, code: &'static str, detail: impl Into<Text>) -> Self {
        let pointer = abbreviated_to(pointer.as_ref(), LOCATION_MOST).into_owned();
        Self { place: FaultLocation::Pointer(pointer), code, detail: detail.into() }
    }

    /// A fault of the query parameter or header `name`.
    pub fn parameter(name: &str, code: &'static str, detail: impl Into<Text>) -> Self {
        Self {
            place: FaultLocation::Parameter(abbreviated_to(name, LOCATION_MOST).into_owned()),
            code,
            detail: detail.into(),
        }
    }
}

/// The location of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultLocation {
    /// RFC 6901 pointer into the body.
    Pointer(String),
    /// Name of a query parameter or header.
    Parameter(String),
}

impl FaultLocation {
    /// The pointer or the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pointer(text) | Self::Parameter(text) => text,
        }
    }
}

/// A contact that conflicts with a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The gateway's id; filled in by the gateway, which knows the credential.
    pub id: Option<Text>,
    pub remote_id: RemoteId,
    /// The unified filters, or the remote fields of the CRM, that found it, such as `emailAddress`.
    pub matched_on: Vec<Text>,
}

/// The CRM that was called, and the status of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamStatus {
    pub provider: Provider,
    /// The HTTP status; `None` without a reply.
    pub status: Option<u16>,
}

string_enum! {
    /// Whose fault it is.
    pub enum Origin {
        Caller = "caller",
        Gateway = "gateway",
        Upstream = "upstream",
    }
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryable {
    /// It will fail again until something is fixed.
    No,
    /// It may succeed later.
    Yes,
    /// Only with the same `Idempotency-Key`.
    SameKeyOnly,
}

impl FailureKind {
    /// The failures by which a CRM refuses the credential itself.
    pub const CREDENTIAL_REFUSALS: [Self; 2] =
        [Self::UpstreamCredentialRejected, Self::UpstreamPermissionDenied];
}

macro_rules! failure_kinds {
    ($($(#[$doc:meta])* $name:ident $code:literal $origin:ident $retryable:ident;)*) => {
        /// The kinds of failures.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailureKind { $($(#[$doc])* $name,)* }

        impl FailureKind {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code in problems and logs.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Whose fault it is.
            #[must_use]
            pub const fn origin(self) -> Origin {
                match self { $(Self::$name => Origin::$origin,)* }
            }

            /// Whether the same request may be sent again.
            #[must_use]
            pub const fn retryable(self) -> Retryable {
                match self { $(Self::$name => Retryable::$retryable,)* }
            }
        }
    };
}

failure_kinds! {
    /// The body is not valid JSON: syntax, duplicate field, depth, encoding.
    MalformedRequest "malformed_request" Caller No;
    /// A parameter is missing, malformed, unknown or repeated.
    InvalidParameter "invalid_parameter" Caller No;
    /// No key, or one that is unknown, mistyped or expired.
    Unauthenticated "unauthenticated" Caller No;
    /// The key lacks a scope, or the token is not for these paths.
    InsufficientScope "insufficient_scope" Caller No;
    /// The keys of a token's issuer could never be fetched, so the token cannot be verified.
    IssuerUnavailable "issuer_unavailable" Gateway Yes;
    /// The credential's settings do not allow deletion.
    DeleteNotAllowed "delete_not_allowed" Caller No;
    RouteNotFound "route_not_found" Caller No;
    /// The credential is unknown, or not the caller's.
    CredentialNotFound "credential_not_found" Caller No;
    /// The CRM has no such contact.
    ContactNotFound "contact_not_found" Caller No;
    /// The tenant is unknown.
    TenantNotFound "tenant_not_found" Caller No;
    /// The key is unknown.
    KeyNotFound "key_not_found" Caller No;
    /// The path does not support the method.
    MethodNotAllowed "method_not_allowed" Caller No;
    /// The contact does not match the condition of the write.
    ContactChanged "contact_changed" Caller No;
    /// A contact with the same identity exists already.
    ContactExists "contact_exists" Caller No;
    /// An upsert matches more than one contact, or one of another name.
    AmbiguousMatch "ambiguous_match" Caller No;
    /// The `Idempotency-Key` is empty, too long, repeated, or contains invalid characters.
    IdempotencyKeyInvalid "idempotency_key_invalid" Caller No;
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused "idempotency_key_reused" Caller No;
    /// The write of this `Idempotency-Key` is in progress.
    IdempotencyInProgress "idempotency_in_progress" Caller SameKeyOnly;
    /// Whether a create was applied cannot be known: the contact that was found may be the new one, or another.
    OutcomeAmbiguous "outcome_ambiguous" Upstream No;
    /// The key exceeds its rate limit.
    RateLimited "rate_limited" Caller Yes;
    /// The tenant or the credential has reached its limit of concurrent requests.
    TooManyConcurrentRequests "too_many_concurrent_requests" Caller Yes;
    /// The tenant has reached its limit.
    QuotaExceeded "quota_exceeded" Caller No;
    /// The tenant has reached its limit of stored writes under an `Idempotency-Key`; they expire after 24 hours.
    LedgerQuotaExceeded "quota_exceeded" Caller Yes;
    /// The name is taken.
    NameTaken "name_taken" Caller No;
    /// The body is larger than 1 MiB.
    BodyTooLarge "body_too_large" Caller No;
    /// The body is not JSON.
    UnsupportedMediaType "unsupported_media_type" Caller No;
    /// The body breaks a unified or provider rule.
    ValidationFailed "validation_failed" Caller No;
    /// The filter is not supported for this CRM.
    FilterUnsupported "filter_unsupported" Caller No;
    /// The CRM's list can only be read from its start, so it has no page numbers.
    PageNumberUnsupported "page_number_unsupported" Caller No;
    /// The scan of a list or count reached its limit.
    ScanLimitReached "scan_limit_reached" Caller No;
    /// The gateway does not call the base URL of the credential.
    BaseUrlRefused "base_url_refused" Caller No;
    /// The operation does not exist for this CRM.
    OperationUnsupported "operation_unsupported" Caller No;
    /// The CRM refused the credential's secret.
    UpstreamCredentialRejected "upstream_credential_rejected" Upstream No;
    /// The credential's user has no permission for the call at the CRM.
    UpstreamPermissionDenied "upstream_permission_denied" Upstream No;
    /// The CRM rejected the content of a call.
    UpstreamRejected "upstream_rejected" Upstream No;
    /// The CRM's rate limit is used up.
    UpstreamRateLimited "upstream_rate_limited" Upstream Yes;
    /// The CRM responded with an error of its own.
    UpstreamError "upstream_error" Upstream Yes;
    /// The CRM could not be reached.
    UpstreamUnreachable "upstream_unreachable" Upstream Yes;
    /// The CRM's TLS certificate was not accepted.
    UpstreamTls "upstream_tls" Upstream No;
    /// The CRM responded with a redirect; none is followed.
    UpstreamRedirected "upstream_redirected" Upstream No;
    /// The CRM's response could not be read.
    UpstreamInvalidResponse "upstream_invalid_response" Upstream Yes;
    /// The response would be larger than the gateway's limit.
    UpstreamResponseTooLarge "upstream_response_too_large" Upstream No;
    /// The CRM accepted a change and did not apply it.
    UpstreamDidNotApply "upstream_did_not_apply" Upstream No;
    /// The CRM took too long.
    UpstreamTimeout "upstream_timeout" Upstream Yes;
    /// A write was sent and its response was lost: whether it was applied is not known.
    OutcomeUnknown "outcome_unknown" Upstream No;
    /// The CRM's host failed repeatedly; calls to it are paused.
    UpstreamCircuitOpen "upstream_circuit_open" Upstream Yes;
    /// The process has reached its limit of concurrent requests.
    Overloaded "overloaded" Gateway Yes;
    /// The deadline passed inside the gateway.
    GatewayTimeout "gateway_timeout" Gateway Yes;
    /// The gateway is stopping.
    Draining "draining" Gateway Yes;
    /// The database cannot be reached.
    StoreUnavailable "store_unavailable" Gateway Yes;
    /// A stored secret cannot be opened with the given master keys.
    SecretUnreadable "secret_unreadable" Gateway No;
    /// A bug.
    Internal "internal" Gateway No;
}
