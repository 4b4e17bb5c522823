//! What each problem means and how to fix it: the text of its page, in Markdown.

use crate::domain::FailureKind;

/// The text about a kind, for authors of clients and for operators.
pub(super) struct Remediation {
    pub(super) happened: &'static str,
    pub(super) fix: &'static str,
    pub(super) related: &'static [FailureKind],
}

const fn advice(happened: &'static str, fix: &'static str, related: &'static [FailureKind]) -> Remediation {
    Remediation { happened, fix, related }
}

/// The text of a kind.
#[rustfmt::skip]
pub(super) const fn remediation(kind: FailureKind) -> Remediation {
    use FailureKind as K;
    match kind {
        K::MalformedRequest => advice("The body is not one JSON value in UTF-8, repeats a field, is nested deeper than 32 levels, or did not arrive completely.", "`detail` gives line and column. Use a JSON library to write bodies.", &[K::ValidationFailed, K::UnsupportedMediaType, K::BodyTooLarge]),
        K::InvalidParameter => advice("A parameter or header is missing, malformed, unknown or repeated. A parameter is never ignored.", "`errors` names each of them. Fix or remove them.", &[K::ValidationFailed, K::FilterUnsupported]),
        K::Unauthenticated => advice("The request has no key or token, or one that is unknown, mistyped, expired or revoked. `detail` says if the key is missing or mistyped. It does not tell unknown, expired and revoked keys apart.", "Send `Authorization: Bearer` with a key of the tenant, or with the admin token under `/admin`.", &[K::InsufficientScope, K::IssuerUnavailable, K::UpstreamCredentialRejected]),
        K::InsufficientScope => advice("The key is valid but lacks the scope that `detail` names, or it is of the wrong type. Tenant keys cannot access `/admin`, and the admin token gives access to `/admin` only.", "Ask the operator for a key with the scope.", &[K::Unauthenticated, K::UpstreamPermissionDenied]),
        K::IssuerUnavailable => advice("The gateway has not been able to fetch the keys of the token's issuer since it started, so it cannot verify the token. API keys still work.", "Retry later. If the problem lasts, the operator finds the reason in the log.", &[K::Unauthenticated]),
        K::DeleteNotAllowed => advice("In this CRM, deleting a contact deletes more than the contact. The settings of the credential do not allow it.", "To allow it, set `allowDelete` in the settings of the credential.", &[K::OperationUnsupported]),
        K::RouteNotFound => advice("The gateway has no such path. A path with a trailing slash is a different path. Without a configured admin token, the paths under `/admin` do not exist.", "Compare the path with the [reference](../).", &[K::MethodNotAllowed]),
        K::CredentialNotFound => advice("The credential does not exist, belongs to another tenant, or is not on the key's list. The response does not say which.", "List the credentials (`GET /credentials`) to see those that the key may use.", &[K::ContactNotFound, K::InsufficientScope]),
        K::ContactNotFound => advice("The CRM of this credential has no such contact. An `id` is valid only with the credential that returned it.", "Check that `credentialId` and `id` belong together. If the CRM account was connected again, look the contact up by its `remoteId`.", &[K::CredentialNotFound]),
        K::TenantNotFound => advice("No tenant has this id.", "List the tenants to see their ids.", &[K::KeyNotFound]),
        K::KeyNotFound => advice("The tenant has no such key. It may have been revoked already.", "List the tenant's keys.", &[K::TenantNotFound]),
        K::MethodNotAllowed => advice("The path exists, but does not support this method.", "Use one of the methods in the header `Allow`.", &[K::RouteNotFound]),
        K::ContactChanged => advice("Another program changed the contact after you read it, or `If-Match` holds a weak tag, or a tag of another contact, credential or version. Nothing was written.", "Read the contact again, apply your change to it, and send it with the new `ETag`. Do not only repeat the request with the tag in the header of this response: that overwrites the other change. See [Edit safely](../guide/edit-safely).", &[K::ContactExists]),
        K::ContactExists => advice("The CRM already has a contact with the same identity; `candidates` names it. Nothing was written.", "Update that contact. An [upsert](../#/contacts/upsertContact) finds and updates it, or creates it, in one call.", &[K::AmbiguousMatch, K::OutcomeAmbiguous]),
        K::AmbiguousMatch => advice("More than one contact matches `matchOn`, or the only match has another name or only the same national digits; `candidates` names them. Nothing was written.", "Update the right contact by its id, or use a `matchOn` field that identifies one contact.", &[K::ContactExists, K::OutcomeAmbiguous]),
        K::IdempotencyKeyInvalid => advice("The `Idempotency-Key` is empty, too long, sent twice, or has other characters than visible ASCII.", "A key has 1 to 255 visible ASCII characters in one header, bare or as a quoted string. Use a random UUID for each write.", &[K::IdempotencyKeyReused]),
        K::IdempotencyKeyReused => advice("The key was used within the last 24 hours for another request: its method, path, credential, parameters, `If-Match` or body differ. Keys are shared by all API keys of the tenant, so another API key may have used it.", "Use a new key for each write, and repeat a write exactly.", &[K::IdempotencyInProgress, K::IdempotencyKeyInvalid]),
        K::IdempotencyInProgress => advice("The first request with this key is still in progress.", "Retry with the same key after `Retry-After`.", &[K::OutcomeUnknown, K::IdempotencyKeyReused]),
        K::OutcomeAmbiguous => advice("The gateway sent a create but did not get the response, and the CRM shows no contact that is clearly the one sent. `candidates` names contacts that may be it. Without `candidates`, the base URL or secret of the credential may have changed since the write was sent; nothing was sent to the account that the credential opens now.", "Check the candidates. If none is the one, send the create again with a new key. Without candidates, change the credential back and send the same request again, or check the earlier account.", &[K::OutcomeUnknown, K::ContactExists]),
        K::RateLimited => advice("The API key has exceeded its rate limit, or the credential its rate limit at the CRM. Or too many invalid tokens came from this address.", "Retry after `Retry-After`. Background jobs should send `Priority: u=5`, so that they leave room for people.", &[K::UpstreamRateLimited, K::TooManyConcurrentRequests]),
        K::TooManyConcurrentRequests => advice("The tenant or the credential has reached its limit of concurrent requests.", "Wait until some of them have completed, and send fewer at a time.", &[K::RateLimited, K::Overloaded]),
        K::QuotaExceeded | K::LedgerQuotaExceeded => advice("Status 422: the tenant has reached its limit of credentials or API keys. Status 429: it has reached its limit of stored writes under an `Idempotency-Key`. Each is stored for 24 hours, and `Retry-After` says when the oldest expires. Replays of earlier keys still work.", "Delete credentials or keys that are not used, or wait. The operator can raise each limit.", &[K::RateLimited]),
        K::NameTaken => advice("Another resource of this kind has the name.", "Choose another name, or use the resource that has this one.", &[K::ValidationFailed]),
        K::BodyTooLarge => advice("A body is limited to 1 MiB.", "Send only the fields that change; absent fields are unchanged.", &[K::MalformedRequest]),
        K::UnsupportedMediaType => advice("The body is not declared as JSON, or it is compressed.", "Send JSON in UTF-8, uncompressed, with `Content-Type: application/json`.", &[K::MalformedRequest]),
        K::ValidationFailed => advice("The body is JSON, but breaks a rule of the API or of the CRM. Nothing was written.", "`errors` names each invalid field with its pointer and how to fix it.", &[K::InvalidParameter, K::UpstreamRejected]),
        K::FilterUnsupported => advice("The rows of this CRM's list do not show the field, so nobody can say which contacts match. A filter is never ignored.", "Use another filter, or read the contacts one by one. See [Filters](../guide/filters).", &[K::ScanLimitReached]),
        K::PageNumberUnsupported => advice("This CRM can only be listed from the beginning.", "Start without `pageNumber`, and send `pageInfo.nextCursor` as `cursor` for each further page.", &[K::InvalidParameter]),
        K::ScanLimitReached => advice("The CRM does not answer the question itself, and the scan of its contacts reached its limit.", "Send `nextCursor` as `cursor` to go on behind the last row that was read, or add one of the filters that `detail` names.", &[K::FilterUnsupported]),
        K::BaseUrlRefused => advice("The gateway only calls https addresses in public networks, and addresses that its operator allows.", "Fix the base URL, or ask the operator to allow it with `GATEWAY_UPSTREAM_ALLOW`.", &[K::UpstreamUnreachable]),
        K::OperationUnsupported => advice("The CRM does not support the operation, the settings of the credential do not configure it, or the gateway does not implement it yet.", "`detail` says which. `GET /providers` lists what each CRM supports.", &[K::DeleteNotAllowed, K::FilterUnsupported]),
        K::UpstreamCredentialRejected => advice("The CRM rejects the stored secret: it was revoked, has expired, or was mistyped. Your own key is valid.", "Update the secret of the credential: `PATCH /credentials/{id}`.", &[K::UpstreamPermissionDenied, K::Unauthenticated, K::SecretUnreadable]),
        K::UpstreamPermissionDenied => advice("The secret is valid, but its user lacks the permission in the CRM.", "Grant the user the permission there.", &[K::UpstreamCredentialRejected, K::InsufficientScope]),
        K::UpstreamRejected => advice("The CRM rejected the request.", "`detail` gives its reason, and `errors` names the invalid fields.", &[K::ValidationFailed, K::UpstreamError]),
        K::UpstreamRateLimited => advice("The rate limit of the CRM is used up. It is shared by everyone who uses the account.", "Wait, then retry.", &[K::RateLimited, K::UpstreamCircuitOpen]),
        K::UpstreamError => advice("The CRM returned a server error. In a search over several CRMs, none of them gave a result: `failures` has the problem of each credential.", "Retry later. If the problem lasts, contact the support of the CRM.", &[K::UpstreamUnreachable, K::UpstreamTimeout, K::UpstreamInvalidResponse]),
        K::UpstreamUnreachable => advice("The gateway could not connect to the CRM.", "Check the base URL in the settings of the credential, and whether the gateway's network can reach it.", &[K::UpstreamTls, K::BaseUrlRefused, K::UpstreamTimeout]),
        K::UpstreamTls => advice("The certificate of the CRM is not valid for the host, has expired, or its issuer is not trusted.", "The operator can check it from the gateway's network.", &[K::UpstreamUnreachable]),
        K::UpstreamRedirected => advice("The CRM responded with a redirect. The gateway follows none, because a redirect would send the secret to another location.", "Set the base URL to the target of the redirect.", &[K::UpstreamInvalidResponse]),
        K::UpstreamInvalidResponse => advice("The response of the CRM is not what the CRM documents.", "Check that the base URL is the one of the API.", &[K::UpstreamError, K::UpstreamRedirected]),
        K::UpstreamResponseTooLarge => advice("The response of a read is limited to 8 MiB.", "Request fewer contacts at a time with a smaller `pageSize`. A single contact that is larger cannot be read through the gateway.", &[K::Overloaded]),
        K::UpstreamDidNotApply => advice("The CRM reported success, but still holds the old values of the fields that `errors` names.", "Check the contact in the CRM.", &[K::UpstreamRejected, K::OutcomeUnknown]),
        K::UpstreamTimeout => advice("The CRM did not respond before the deadline.", "Retry, or set a longer deadline with `X-Request-Timeout-Ms`.", &[K::GatewayTimeout, K::OutcomeUnknown, K::UpstreamUnreachable]),
        K::OutcomeUnknown => advice("The gateway sent the write but did not get the response: the CRM may have applied it.", "With an `Idempotency-Key`, send the same request with the same key: the gateway checks by itself and never writes twice. Without one, check before you send it again; `detail` says by which field. See [Idempotent writes](../guide/idempotent-writes).", &[K::OutcomeAmbiguous, K::IdempotencyInProgress, K::UpstreamTimeout]),
        K::UpstreamCircuitOpen => advice("The host of the CRM failed repeatedly, so calls to it are paused. Nothing was sent.", "Retry after `Retry-After`.", &[K::UpstreamError, K::UpstreamUnreachable]),
        K::Overloaded => advice("The gateway has reached its limit of concurrent requests, or of bytes of CRM replies and responses in memory.", "Retry after `Retry-After`. A smaller `pageSize` needs less memory.", &[K::TooManyConcurrentRequests, K::Draining]),
        K::GatewayTimeout => advice("The deadline passed while the request was waiting inside the gateway.", "Retry, or set a longer deadline with `X-Request-Timeout-Ms`.", &[K::UpstreamTimeout, K::Overloaded]),
        K::Draining => advice("This process is stopping and accepts no new requests.", "Send the request to another replica, or wait for the next start.", &[K::Overloaded]),
        K::StoreUnavailable => advice("The gateway cannot reach its database.", "Retry later. The operator finds the reason in the log.", &[K::Draining]),
        K::SecretUnreadable => advice("The stored secret was sealed with a master key that the gateway does not have.", "The operator must add that key, or the secret must be set again.", &[K::UpstreamCredentialRejected]),
        K::Internal => advice("A bug in the gateway.", "Please report it with the `requestId`. The operator finds the reason in the log under it.", &[]),
    }
}
