//! The one table from a failure's kind to its HTTP status and title.

use http::StatusCode;

use crate::domain::FailureKind;

/// The HTTP status of a kind.
#[must_use]
pub const fn status(kind: FailureKind) -> StatusCode {
    row(kind).0
}

/// The title of a kind: the same words for every occurrence.
#[must_use]
pub const fn title(kind: FailureKind) -> &'static str {
    row(kind).1
}

#[rustfmt::skip]
const fn row(kind: FailureKind) -> (StatusCode, &'static str) {
    use FailureKind as K;
    use StatusCode as S;
    match kind {
        K::MalformedRequest           => (S::BAD_REQUEST, "The body is not the JSON we take"),
        K::InvalidParameter           => (S::BAD_REQUEST, "A parameter is missing, malformed, unknown or repeated"),
        K::Unauthenticated            => (S::UNAUTHORIZED, "No valid key or token"),
        K::InsufficientScope          => (S::FORBIDDEN, "The key may not do this"),
        K::IssuerUnavailable          => (S::SERVICE_UNAVAILABLE, "The token's issuer cannot be reached"),
        K::DeleteNotAllowed           => (S::FORBIDDEN, "The credential does not allow deletion"),
        K::RouteNotFound              => (S::NOT_FOUND, "No such path"),
        K::CredentialNotFound         => (S::NOT_FOUND, "No such credential"),
        K::ContactNotFound            => (S::NOT_FOUND, "No such contact"),
        K::TenantNotFound             => (S::NOT_FOUND, "No such tenant"),
        K::KeyNotFound                => (S::NOT_FOUND, "No such key"),
        K::MethodNotAllowed           => (S::METHOD_NOT_ALLOWED, "The path has no such method"),
        K::ContactChanged             => (S::PRECONDITION_FAILED, "The contact has changed since it was read"),
        K::ContactExists              => (S::CONFLICT, "The contact exists already"),
        K::AmbiguousMatch             => (S::CONFLICT, "Several people match, or one of another name"),
        K::IdempotencyKeyInvalid      => (S::BAD_REQUEST, "The Idempotency-Key cannot be used"),
        K::IdempotencyKeyReused       => (S::UNPROCESSABLE_ENTITY, "The Idempotency-Key was used for another request"),
        K::IdempotencyInProgress      => (S::CONFLICT, "The write of this Idempotency-Key is running"),
        K::OutcomeAmbiguous           => (S::CONFLICT, "Whether the write was applied cannot be told"),
        K::RateLimited                => (S::TOO_MANY_REQUESTS, "More requests than the limit allows"),
        K::TooManyConcurrentRequests  => (S::TOO_MANY_REQUESTS, "Too many requests at the same time"),
        K::QuotaExceeded              => (S::UNPROCESSABLE_ENTITY, "The tenant has as many as it may"),
        K::LedgerQuotaExceeded        => (S::TOO_MANY_REQUESTS, "The tenant has as many writes stored as it may"),
        K::NameTaken                  => (S::CONFLICT, "The name is taken"),
        K::BodyTooLarge               => (S::PAYLOAD_TOO_LARGE, "The body is too large"),
        K::UnsupportedMediaType       => (S::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON"),
        K::ValidationFailed           => (S::UNPROCESSABLE_ENTITY, "The body breaks a rule"),
        K::FilterUnsupported          => (S::UNPROCESSABLE_ENTITY, "The filter cannot be answered for this CRM"),
        K::PageNumberUnsupported      => (S::UNPROCESSABLE_ENTITY, "This CRM has no pages by number"),
        K::ScanLimitReached           => (S::UNPROCESSABLE_ENTITY, "Too many contacts to read through"),
        K::BaseUrlRefused             => (S::UNPROCESSABLE_ENTITY, "The base URL is not one that we call"),
        K::OperationUnsupported       => (S::NOT_IMPLEMENTED, "The operation is not supported"),
        K::UpstreamCredentialRejected => (S::FAILED_DEPENDENCY, "The CRM refused the credential's secret"),
        K::UpstreamPermissionDenied   => (S::FAILED_DEPENDENCY, "The CRM forbids the call"),
        K::UpstreamRejected           => (S::UNPROCESSABLE_ENTITY, "The CRM refused the content"),
        K::UpstreamRateLimited        => (S::TOO_MANY_REQUESTS, "The CRM's rate limit is used up"),
        K::UpstreamError              => (S::BAD_GATEWAY, "The CRM failed"),
        K::UpstreamUnreachable        => (S::BAD_GATEWAY, "The CRM could not be reached"),
        K::UpstreamTls                => (S::BAD_GATEWAY, "The CRM's certificate was not accepted"),
        K::UpstreamRedirected         => (S::BAD_GATEWAY, "The CRM answered a redirect"),
        K::UpstreamInvalidResponse    => (S::BAD_GATEWAY, "The CRM's answer could not be understood"),
        K::UpstreamResponseTooLarge   => (S::BAD_GATEWAY, "What the CRM holds is too large for one response"),
        K::UpstreamDidNotApply        => (S::BAD_GATEWAY, "The CRM did not make the change"),
        K::UpstreamTimeout            => (S::GATEWAY_TIMEOUT, "The CRM took too long"),
        K::OutcomeUnknown             => (S::GATEWAY_TIMEOUT, "Whether the write was applied is not known"),
        K::UpstreamCircuitOpen        => (S::SERVICE_UNAVAILABLE, "The CRM failed too often and is left alone"),
        K::Overloaded                 => (S::SERVICE_UNAVAILABLE, "The gateway has too much to do"),
        K::GatewayTimeout             => (S::GATEWAY_TIMEOUT, "The deadline passed"),
        K::Draining                   => (S::SERVICE_UNAVAILABLE, "The gateway is stopping"),
        K::StoreUnavailable           => (S::SERVICE_UNAVAILABLE, "The database cannot be reached"),
        K::SecretUnreadable           => (S::INTERNAL_SERVER_ERROR, "A stored secret cannot be opened"),
        K::Internal                   => (S::INTERNAL_SERVER_ERROR, "Internal error"),
    }
}
