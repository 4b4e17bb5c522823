//! The table of the HTTP status and the title of each kind of failure.

use http::StatusCode;

use crate::domain::FailureKind;

/// The HTTP status of a kind.
#[must_use]
pub const fn status(kind: FailureKind) -> StatusCode {
    row(kind).0
}

/// The title of a kind, the same for every occurrence.
#[must_use]
pub const fn title(kind: FailureKind) -> &'static str {
    row(kind).1
}

#[rustfmt::skip]
const fn row(kind: FailureKind) -> (StatusCode, &'static str) {
    use FailureKind as K;
    use StatusCode as S;
    match kind {
        K::MalformedRequest           => (S::BAD_REQUEST, "The body is not valid JSON"),
        K::InvalidParameter           => (S::BAD_REQUEST, "A parameter is missing, malformed, unknown or repeated"),
        K::Unauthenticated            => (S::UNAUTHORIZED, "No valid key or token"),
        K::InsufficientScope          => (S::FORBIDDEN, "The key lacks permission"),
        K::IssuerUnavailable          => (S::SERVICE_UNAVAILABLE, "The token's issuer cannot be reached"),
        K::DeleteNotAllowed           => (S::FORBIDDEN, "The credential does not allow deletion"),
        K::RouteNotFound              => (S::NOT_FOUND, "Unknown path"),
        K::CredentialNotFound         => (S::NOT_FOUND, "Unknown credential"),
        K::ContactNotFound            => (S::NOT_FOUND, "Unknown contact"),
        K::TenantNotFound             => (S::NOT_FOUND, "Unknown tenant"),
        K::KeyNotFound                => (S::NOT_FOUND, "Unknown key"),
        K::MethodNotAllowed           => (S::METHOD_NOT_ALLOWED, "The path does not support this method"),
        K::ContactChanged             => (S::PRECONDITION_FAILED, "The contact has changed since it was read"),
        K::ContactExists              => (S::CONFLICT, "The contact already exists"),
        K::AmbiguousMatch             => (S::CONFLICT, "More than one contact may match"),
        K::IdempotencyKeyInvalid      => (S::BAD_REQUEST, "The Idempotency-Key is not valid"),
        K::IdempotencyKeyReused       => (S::UNPROCESSABLE_ENTITY, "The Idempotency-Key was used for another request"),
        K::IdempotencyInProgress      => (S::CONFLICT, "The write with this Idempotency-Key is in progress"),
        K::OutcomeAmbiguous           => (S::CONFLICT, "It cannot be determined whether the write was applied"),
        K::RateLimited                => (S::TOO_MANY_REQUESTS, "The rate limit is exceeded"),
        K::TooManyConcurrentRequests  => (S::TOO_MANY_REQUESTS, "Too many concurrent requests"),
        K::QuotaExceeded              => (S::UNPROCESSABLE_ENTITY, "The tenant has reached its quota"),
        K::LedgerQuotaExceeded        => (S::TOO_MANY_REQUESTS, "The tenant has reached its quota of stored writes"),
        K::NameTaken                  => (S::CONFLICT, "The name is taken"),
        K::BodyTooLarge               => (S::PAYLOAD_TOO_LARGE, "The body is too large"),
        K::UnsupportedMediaType       => (S::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON"),
        K::ValidationFailed           => (S::UNPROCESSABLE_ENTITY, "The body breaks a rule"),
        K::FilterUnsupported          => (S::UNPROCESSABLE_ENTITY, "The filter is not supported for this CRM"),
        K::PageNumberUnsupported      => (S::UNPROCESSABLE_ENTITY, "Page numbers are not supported for this CRM"),
        K::ScanLimitReached           => (S::UNPROCESSABLE_ENTITY, "Too many contacts to scan"),
        K::BaseUrlRefused             => (S::UNPROCESSABLE_ENTITY, "The base URL is not allowed"),
        K::OperationUnsupported       => (S::NOT_IMPLEMENTED, "The operation is not supported"),
        K::UpstreamCredentialRejected => (S::FAILED_DEPENDENCY, "The CRM rejected the credential's secret"),
        K::UpstreamPermissionDenied   => (S::FAILED_DEPENDENCY, "The CRM forbids the call"),
        K::UpstreamRejected           => (S::UNPROCESSABLE_ENTITY, "The CRM rejected the request"),
        K::UpstreamRateLimited        => (S::TOO_MANY_REQUESTS, "The CRM's rate limit is exceeded"),
        K::UpstreamError              => (S::BAD_GATEWAY, "The CRM returned an error"),
        K::UpstreamUnreachable        => (S::BAD_GATEWAY, "The CRM could not be reached"),
        K::UpstreamTls                => (S::BAD_GATEWAY, "The CRM's certificate is not valid"),
        K::UpstreamRedirected         => (S::BAD_GATEWAY, "The CRM responded with a redirect"),
        K::UpstreamInvalidResponse    => (S::BAD_GATEWAY, "The CRM's response is not valid"),
        K::UpstreamResponseTooLarge   => (S::BAD_GATEWAY, "The response is too large"),
        K::UpstreamDidNotApply        => (S::BAD_GATEWAY, "The CRM did not apply the change"),
        K::UpstreamTimeout            => (S::GATEWAY_TIMEOUT, "The CRM did not respond in time"),
        K::OutcomeUnknown             => (S::GATEWAY_TIMEOUT, "It is not known whether the write was applied"),
        K::UpstreamCircuitOpen        => (S::SERVICE_UNAVAILABLE, "The CRM failed repeatedly; calls to it are paused"),
        K::Overloaded                 => (S::SERVICE_UNAVAILABLE, "The gateway is overloaded"),
        K::GatewayTimeout             => (S::GATEWAY_TIMEOUT, "The deadline passed"),
        K::Draining                   => (S::SERVICE_UNAVAILABLE, "The gateway is stopping"),
        K::StoreUnavailable           => (S::SERVICE_UNAVAILABLE, "The database cannot be reached"),
        K::SecretUnreadable           => (S::INTERNAL_SERVER_ERROR, "A stored secret cannot be opened"),
        K::Internal                   => (S::INTERNAL_SERVER_ERROR, "Internal error"),
    }
}
