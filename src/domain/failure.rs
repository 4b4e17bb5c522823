//! What went wrong, in one vocabulary that drives HTTP status, problem code, retry advice and metric label.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::field::known_name;
use super::{FirstOf, Provider, RemoteId, Text, abbreviated_to};

/// Why a request was not done, and what it may have done all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The kind, which decides status, code and retry advice.
    pub kind: FailureKind,
    /// A sentence that says what to mend; it holds no secret and no contact data of others.
    pub detail: Text,
    /// After which time a repetition makes sense.
    pub retry_after: Option<Duration>,
    /// What a failed write may have done at the CRM.
    pub effect: Effect,
    /// Single members or parameters at fault.
    pub faults: Faults,
    /// Contacts that stand in the way.
    pub candidates: Candidates,
    /// The CRM that was called, when one was.
    pub upstream: Option<UpstreamStatus>,
    /// Whether the same request may be sent again; the kind says so but where more is known.
    pub retryable: Retryable,
    /// The contact's current `ETag`, where it is not the one that the request requires.
    pub entity_tag: Option<Text>,
}

impl Failure {
    /// A failure of `kind` with nothing done.
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
        }
    }

    /// A body that breaks unified or provider rules, member by member.
    #[must_use]
    pub fn validation(faults: impl Into<Faults>) -> Self {
        let faults = faults.into();
        let detail = match (&*faults, faults.omitted()) {
            ([one], 0) if one.place.as_str().is_empty() => format!("The body: {}", one.detail.as_str()),
            ([one], 0) => format!("{}: {}", one.place.as_str(), one.detail.as_str()),
            (many, 0) => format!("{} members need mending; each is named in `errors`.", many.len()),
            (named, _) => {
                format!("{} fields are at fault; `errors` names the first {}.", faults.total(), named.len())
            }
        };
        Self::new(FailureKind::ValidationFailed, detail).with_faults(faults)
    }

    /// A parameter that is missing, malformed, unknown or repeated.
    pub fn parameter(name: impl Into<String>, detail: impl Into<Text>) -> Self {
        let (name, detail) = (name.into(), detail.into());
        let whole = format!("{name}: {}", detail.as_str());
        let fault = FieldFault::parameter(&name, "invalid_parameter", detail);
        Self::new(FailureKind::InvalidParameter, whole).with_faults(vec![fault])
    }

    /// A bug or an impossible state; `detail` goes to the log, never to the caller.
    pub fn internal(detail: impl Into<Text>) -> Self {
        Self::new(FailureKind::Internal, detail)
    }

    /// The same failure, naming single members or parameters.
    #[must_use]
    pub fn with_faults(mut self, faults: impl Into<Faults>) -> Self {
        self.faults = faults.into();
        self
    }

    /// The same failure, with what it may have done.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// The same failure, naming contacts that stand in the way.
    #[must_use]
    pub fn with_candidates(mut self, candidates: impl Into<Candidates>) -> Self {
        self.candidates = candidates.into();
        self
    }

    /// The same failure, with the contact's current `ETag`.
    #[must_use]
    pub fn with_entity_tag(mut self, tag: Text) -> Self {
        self.entity_tag = Some(tag);
        self
    }

    /// The same failure, with the time after which to come again.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// The same failure, seen as one of another kind.
    #[must_use]
    pub fn turned(self, kind: FailureKind) -> Self {
        Self { kind, retryable: kind.retryable(), ..self }
    }

    /// The same failure, with other advice about sending the request again than its kind gives.
    #[must_use]
    pub const fn with_retryable(mut self, retryable: Retryable) -> Self {
        self.retryable = retryable;
        self
    }

    /// The same failure, naming the CRM and the status it answered.
    #[must_use]
    pub const fn with_upstream(mut self, provider: Provider, status: Option<u16>) -> Self {
        self.upstream = Some(UpstreamStatus { provider, status });
        self
    }
}

/// What a failed write may have done at the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the request did not leave, or the CRM refused it for now.
    None,
    /// Nothing, or all that it will ever do: the CRM's last word on this write.
    Final,
    /// It may have been applied.
    Unknown,
}

/// The first faults of a request, and how many more there are: a response is not as long as a caller makes it.
pub type Faults = FirstOf<FieldFault, 100>;

/// The first contacts that stand in the way, and how many more there are.
pub type Candidates = FirstOf<Candidate, 20>;

/// Characters of a pointer or parameter's name: enough for every place that exists.
const PLACE_MOST: usize = 500;

/// One member or parameter at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Where.
    pub place: FaultLocation,
    /// A stable word, such as `required` or `unknown_member`.
    pub code: &'static str,
    /// A sentence that says what to mend.
    pub detail: Text,
}

impl FieldFault {
    /// A fault of the body's member at `pointer`.
    pub fn member(pointer: impl AsRef<str>, code: &'static str, detail: impl Into<Text>) -> Self {
        let pointer = abbreviated_to(pointer.as_ref(), PLACE_MOST).into_owned();
        Self { place: FaultLocation::Pointer(pointer), code, detail: detail.into() }
    }

    /// A fault of the query parameter or header `name`.
    pub fn parameter(name: &str, code: &'static str, detail: impl Into<Text>) -> Self {
        Self {
            place: FaultLocation::Parameter(abbreviated_to(name, PLACE_MOST).into_owned()),
            code,
            detail: detail.into(),
        }
    }
}

/// Where a fault lies.
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

/// A contact that stands in the way of a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The gateway's id; filled in by the gateway, which knows the credential.
    pub id: Option<Text>,
    /// The CRM's id.
    pub remote_id: RemoteId,
    /// By which unified filters it was found, such as `emailAddress`.
    #[serde(deserialize_with = "known_names")]
    pub matched_on: Vec<&'static str>,
}

/// Reads names that were stored; one that this release does not know is left out.
fn known_names<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<&'static str>, D::Error> {
    Ok(Vec::<Text>::deserialize(from)?.iter().filter_map(|name| known_name(name)).collect())
}

/// The CRM that was called and what it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamStatus {
    /// Which CRM.
    pub provider: Provider,
    /// Its HTTP status; `None` where there was no reply.
    pub status: Option<u16>,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller's request.
    Caller,
    /// This gateway.
    Gateway,
    /// The CRM.
    Upstream,
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryable {
    /// It will fail again until something is mended.
    No,
    /// It may succeed later.
    Yes,
    /// Only with the same `Idempotency-Key`.
    SameKeyOnly,
}

macro_rules! failure_kinds {
    ($($(#[$doc:meta])* $name:ident $code:literal $origin:ident $retryable:ident;)*) => {
        /// The kinds of failures.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailureKind { $($(#[$doc])* $name,)* }

        impl FailureKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word in problems and metrics.
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
    /// The body is not the JSON we take: syntax, duplicate member, depth, encoding.
    MalformedRequest "malformed_request" Caller No;
    /// A parameter is missing, malformed, unknown or repeated.
    InvalidParameter "invalid_parameter" Caller No;
    /// No key, or one that is unknown, mistyped or expired.
    Unauthenticated "unauthenticated" Caller No;
    /// The key lacks a scope, or the token is for another plane.
    InsufficientScope "insufficient_scope" Caller No;
    /// The keys of a token's issuer were never had, so that nobody can tell whether the token is good.
    IssuerUnavailable "issuer_unavailable" Gateway Yes;
    /// The credential's settings do not allow deletion.
    DeleteNotAllowed "delete_not_allowed" Caller No;
    /// No such path.
    RouteNotFound "route_not_found" Caller No;
    /// The credential is unknown, or not the caller's.
    CredentialNotFound "credential_not_found" Caller No;
    /// The contact is unknown to the CRM.
    ContactNotFound "contact_not_found" Caller No;
    /// The tenant is unknown.
    TenantNotFound "tenant_not_found" Caller No;
    /// The key is unknown.
    KeyNotFound "key_not_found" Caller No;
    /// The path is known, the method is not.
    MethodNotAllowed "method_not_allowed" Caller No;
    /// The contact is not as the condition of the write requires it.
    ContactChanged "contact_changed" Caller No;
    /// A contact with the same identity exists already.
    ContactExists "contact_exists" Caller No;
    /// An upsert matches several people, or one of another name.
    AmbiguousMatch "ambiguous_match" Caller No;
    /// The `Idempotency-Key` is empty, too long, repeated, or holds what no key may.
    IdempotencyKeyInvalid "idempotency_key_invalid" Caller No;
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused "idempotency_key_reused" Caller No;
    /// The write of this `Idempotency-Key` is running.
    IdempotencyInProgress "idempotency_in_progress" Caller SameKeyOnly;
    /// Whether a create was applied cannot be known: who was found may be what it made, or somebody else.
    OutcomeAmbiguous "outcome_ambiguous" Upstream No;
    /// The key sends more requests than it may.
    RateLimited "rate_limited" Caller Yes;
    /// The tenant or the credential has as many requests under way as it may.
    TooManyConcurrentRequests "too_many_concurrent_requests" Caller Yes;
    /// The tenant has as many of these as it may.
    QuotaExceeded "quota_exceeded" Caller No;
    /// The tenant has as many writes under an `Idempotency-Key` stored as it may; the oldest end by themselves.
    LedgerQuotaExceeded "quota_exceeded" Caller Yes;
    /// The name is taken.
    NameTaken "name_taken" Caller No;
    /// The body is larger than 1 MiB.
    BodyTooLarge "body_too_large" Caller No;
    /// The body is not JSON.
    UnsupportedMediaType "unsupported_media_type" Caller No;
    /// The body breaks a unified or provider rule.
    ValidationFailed "validation_failed" Caller No;
    /// The filter cannot be answered truthfully for this CRM yet.
    FilterUnsupported "filter_unsupported" Caller No;
    /// The CRM shows its list from the beginning alone, so that it has no pages by number.
    PageNumberUnsupported "page_number_unsupported" Caller No;
    /// The bounded scan behind a list or count came to its bound.
    ScanLimitReached "scan_limit_reached" Caller No;
    /// The base URL of a credential is not one that the gateway calls.
    BaseUrlRefused "base_url_refused" Caller No;
    /// The operation does not exist for this CRM, or is not built yet.
    OperationUnsupported "operation_unsupported" Caller No;
    /// The CRM refused the credential's secret.
    UpstreamCredentialRejected "upstream_credential_rejected" Upstream No;
    /// The CRM forbids the call to the credential's user.
    UpstreamPermissionDenied "upstream_permission_denied" Upstream No;
    /// The CRM refused the content of a call.
    UpstreamRejected "upstream_rejected" Upstream No;
    /// The CRM's rate limit is used up.
    UpstreamRateLimited "upstream_rate_limited" Upstream Yes;
    /// The CRM answered an error of its own.
    UpstreamError "upstream_error" Upstream Yes;
    /// The CRM could not be reached.
    UpstreamUnreachable "upstream_unreachable" Upstream Yes;
    /// The CRM's TLS certificate was not accepted.
    UpstreamTls "upstream_tls" Upstream No;
    /// The CRM answered a redirect; none is followed.
    UpstreamRedirected "upstream_redirected" Upstream No;
    /// The CRM's answer could not be understood.
    UpstreamInvalidResponse "upstream_invalid_response" Upstream Yes;
    /// What the CRM holds makes a larger response than the gateway gives.
    UpstreamResponseTooLarge "upstream_response_too_large" Upstream No;
    /// The CRM accepted a change and did not make it.
    UpstreamDidNotApply "upstream_did_not_apply" Upstream No;
    /// The CRM took too long.
    UpstreamTimeout "upstream_timeout" Upstream Yes;
    /// A write was sent and its answer was lost: whether it was applied is not known.
    OutcomeUnknown "outcome_unknown" Upstream No;
    /// The CRM's host failed so often that it is left alone for a while.
    UpstreamCircuitOpen "upstream_circuit_open" Upstream Yes;
    /// The process has as many requests under way as it can serve.
    Overloaded "overloaded" Gateway Yes;
    /// The deadline passed inside the gateway.
    GatewayTimeout "gateway_timeout" Gateway Yes;
    /// The gateway is stopping.
    Draining "draining" Gateway Yes;
    /// The database cannot be reached.
    StoreUnavailable "store_unavailable" Gateway Yes;
    /// A stored secret does not open with the master keys at hand.
    SecretUnreadable "secret_unreadable" Gateway No;
    /// A bug.
    Internal "internal" Gateway No;
}
