//! What to do about each kind of problem: the text of its page.

use crate::domain::FailureKind;

/// What it means and what to do, for a person who writes a client or runs the gateway.
#[rustfmt::skip]
pub(super) const fn mend(kind: FailureKind) -> &'static str {
    use FailureKind as K;
    match kind {
        K::MalformedRequest => "The body is not one JSON value in UTF-8, names a member twice, nests deeper than 32, or did not arrive whole. The detail names line and column. Write bodies with a JSON library.",
        K::InvalidParameter => "Each parameter at fault is named in <code>errors</code>, unknown and repeated ones too: a parameter is never ignored. Mend or remove them.",
        K::Unauthenticated => "Send <code>Authorization: Bearer</code> with a key of the tenant, or the admin token under <code>/admin</code>. A key that has ended or was revoked is refused in the same words as one that never was.",
        K::InsufficientScope => "The key is known and lacks the scope that the detail names, or belongs to the other plane: a tenant's key does not open <code>/admin</code>, and the admin token opens nothing else. Ask the operator for a key with the scope.",
        K::IssuerUnavailable => "The token's issuer is configured with the address of its keys, and no keys could be had from there since the gateway started. Try again; if it lasts, the operator finds the reason in the log. API keys work meanwhile.",
        K::DeleteNotAllowed => "Deleting a contact removes more than the contact at this CRM. Set <code>allowDelete</code> in the credential's settings if that is wanted.",
        K::RouteNotFound => "Compare path and spelling with the document; a trailing slash is another path. Without a configured admin token there is no <code>/admin</code>.",
        K::CredentialNotFound => "The credential does not exist, belongs to another tenant, or is not on the key's list; which of them is not told. List the credentials that the key may name.",
        K::ContactNotFound => "The CRM of this credential has no such contact. An id is made for one credential: with another it is nobody's.",
        K::TenantNotFound => "List the tenants to see their ids.",
        K::KeyNotFound => "The tenant has no such key; it may be revoked already. List the tenant's keys.",
        K::MethodNotAllowed => "The path exists with the methods in the header <code>Allow</code>.",
        K::ContactExists => "The CRM knows a contact with the same identity; <code>candidates</code> names it. Change that one, or leave the identity out. Nothing was written.",
        K::AmbiguousMatch => "More than one person has an address or number of <code>matchOn</code>, or the one who has it bears another name; <code>candidates</code> names them. Nothing was written. Change the right one by its id, or name in <code>matchOn</code> what tells people apart.",
        K::IdempotencyKeyInvalid => "A key is 1 to 255 visible ASCII characters in one header, bare or as a quoted string. A random UUID for each write makes a good one.",
        K::IdempotencyKeyReused => "The key was used within the last 24 hours with another method, path, credential, parameter or body. Make a new key for each write, and repeat a write to the letter.",
        K::IdempotencyInProgress => "The first request with this key has not ended. Send it again, with the same key, after <code>Retry-After</code>.",
        K::OutcomeAmbiguous => "A create was sent, its answer was lost, and what the CRM shows since is not clearly what was sent. <code>candidates</code> names who may be it. Look at them; if none is, send the create again with a new key.",
        K::RateLimited => "The API key, or the credential's limit at the CRM, allows no more for now. Wait as long as <code>Retry-After</code> says.",
        K::TooManyConcurrentRequests => "The tenant or the credential has as many requests under way as it may. Wait for some of them; send fewer at a time.",
        K::NameTaken => "Choose another name, or use what bears it already.",
        K::BodyTooLarge => "A body may hold 1 MiB. A contact never needs that much.",
        K::UnsupportedMediaType => "Send JSON in UTF-8, uncompressed, with <code>Content-Type: application/json</code>.",
        K::ValidationFailed => "Each member at fault is named in <code>errors</code> with its pointer and what to mend. Nothing was written.",
        K::FilterUnsupported => "This CRM cannot answer the filter, and an answer that ignores it would be wrong. The detail names the filters that it can answer.",
        K::ScanLimitReached => "The CRM does not tell the answer, and reading through all its contacts came to its bound. Narrow the question with one of the filters that the CRM answers itself.",
        K::BaseUrlRefused => "The gateway calls https addresses in public networks, and those that its operator allows. Mend the base URL, or ask the operator.",
        K::OperationUnsupported => "The CRM has no such operation, the credential's settings do not say how it is done there, or the gateway does not have it yet. The detail says which.",
        K::UpstreamCredentialRejected => "The CRM refuses the stored secret: it was revoked, has ended, or was mistyped. Change the credential's secret; your own key is in order.",
        K::UpstreamPermissionDenied => "The secret is valid and its owner may not do this in the CRM. Give the owner the permission there.",
        K::UpstreamRejected => "The CRM refused what was sent; its reason stands in the detail, and the members at fault in <code>errors</code>.",
        K::UpstreamRateLimited => "The CRM's limit is shared by everybody who uses the account. Wait, then send the request again.",
        K::UpstreamError => "The CRM answered an error of its own. Try again; if it lasts, ask the CRM's support.",
        K::UpstreamUnreachable => "No connection came about. Check the base URL in the credential's settings, and whether the gateway's network reaches it.",
        K::UpstreamTls => "The certificate is not valid for the host, has ended, or its issuer is not trusted here. The operator can look at it from the gateway's network.",
        K::UpstreamRedirected => "The gateway follows no redirect, because it would carry the secret to another place. Set the base URL to where the redirect points.",
        K::UpstreamInvalidResponse => "The CRM answered something that is not what it documents. Check that the base URL is the API's; a half-understood contact is never shown.",
        K::UpstreamDidNotApply => "The CRM answered success, and reading back shows that the fields named in <code>errors</code> did not change. Look at the contact in the CRM.",
        K::UpstreamTimeout => "The CRM did not answer within the deadline. Try again, or give more time with <code>X-Request-Timeout-Ms</code>.",
        K::OutcomeUnknown => "The write was sent and its answer was lost: the CRM may hold it. The detail says by which field to look. With an <code>Idempotency-Key</code> send the same request with the same key: the gateway looks by itself and never writes twice. Without one, look before sending it again.",
        K::UpstreamCircuitOpen => "The CRM's host failed again and again; it is tried again after <code>Retry-After</code>. Nothing was sent.",
        K::Overloaded => "The process serves as many requests as it can. Nothing was done; try again after <code>Retry-After</code>.",
        K::GatewayTimeout => "The deadline passed while the request waited inside the gateway. Try again, or give more time with <code>X-Request-Timeout-Ms</code>.",
        K::Draining => "This process takes no new traffic. Send the request to another replica, or wait for the next start.",
        K::StoreUnavailable => "The gateway cannot reach its database. The operator finds the reason in the log.",
        K::SecretUnreadable => "The stored secret was sealed with a master key that the gateway does not have now. The operator must add that key, or the secret must be set again.",
        K::Internal => "A bug. The operator finds the reason in the log under the request's id; please report it.",
    }
}
