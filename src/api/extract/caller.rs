//! The caller: a tenant with a key or token, or the operator with the admin token.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};

use super::context::{request_id, request_record};
use crate::api::admission::{TOO_MANY_WRONG, network};
use crate::api::{AppState, PeerAddress};
use crate::auth::shown_key;
use crate::domain::{Actor, Caller, Failure, FailureKind, Principal, Result, Scope};
use crate::telemetry::{RepeatLimit, series};

/// The minimum time between two log lines about one client.
static THROTTLED_LOGGED: RepeatLimit = RepeatLimit::new(Duration::from_mins(1));

/// A caller of a tenant, with any scopes. It is a handler's first argument, so that nothing else is checked before.
pub(in crate::api) struct Signed(pub(in crate::api) Caller);

impl FromRequestParts<AppState> for Signed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let caller =
            authenticated(parts, state, async |shown| state.authenticator.authenticate(shown).await).await?;
        request_record(parts).note_caller(&caller);
        // Done as soon as the tenant is known, so that requests that are refused later count too.
        state.admission.admit_caller(&caller, parts.extensions.get())?;
        parts.extensions.insert(caller.tenant.clone());
        Ok(Self(caller))
    }
}

macro_rules! callers_with_a_scope {
    ($($name:ident $scope:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// It is a handler's first argument, so that the body of a caller without the scope is not read.
        pub(in crate::api) struct $name(pub(in crate::api) Caller);

        impl FromRequestParts<AppState> for $name {
            type Rejection = Failure;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
                let Signed(caller) = Signed::from_request_parts(parts, state).await?;
                caller.require(Scope::$scope).inspect_err(|failure| note_refusal(parts, state, failure))?;
                Ok(Self(caller))
            }
        }
    )*};
}

callers_with_a_scope! {
    ContactsReader ContactsRead "A caller of a tenant with the scope `contacts:read`.";
    ContactsWriter ContactsWrite "A caller of a tenant with the scope `contacts:write`.";
    CredentialsReader CredentialsRead "A caller of a tenant with the scope `credentials:read`.";
    CredentialsWriter CredentialsWrite "A caller of a tenant with the scope `credentials:write`.";
}

/// The operator, as the actor for the audit. It is a handler's first argument.
pub(in crate::api) struct Operator(pub(in crate::api) Actor);

impl FromRequestParts<AppState> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        authenticated(parts, state, async |shown| state.authenticator.is_operator(shown).await).await?;
        request_record(parts).note_operator();
        Ok(Self(Actor { principal: Principal::Operator, request_id: request_id(parts) }))
    }
}

/// Authenticates the caller by the header `Authorization`. A refusal is recorded, with the tenant of the key if that is known,
/// such as that of an expired one. Wrong admin tokens are limited on all paths, because each path responds differently to the right
/// token.
async fn authenticated<T>(
    parts: &Parts,
    state: &AppState,
    authenticate: impl AsyncFnOnce(Option<&str>) -> Result<T>,
) -> Result<T> {
    let shown = authorization(&parts.headers);
    let outcome = match shown {
        Ok(shown) if state.authenticator.may_be_admin_token(shown) => {
            throttled(parts, state, async || authenticate(shown).await).await
        }
        Ok(shown) => authenticate(shown).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = &outcome {
        note_refusal(parts, state, failure);
        // The database that just failed is not asked again.
        let may_ask = failure.kind != FailureKind::StoreUnavailable;
        let shown = authorization(&parts.headers).ok().flatten().filter(|_| may_ask);
        if let Some(tenant) = state.authenticator.owner(shown).await {
            request_record(parts).note_tenant(&tenant);
        }
    }
    outcome
}

/// Runs `check` on a token that may be the admin token. Fails with `rate_limited` after too many wrong ones. Without a peer address
/// (tests) there is no limit.
pub(in crate::api) async fn throttled<T>(
    parts: &Parts,
    state: &AppState,
    check: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    let peer = parts.extensions.get::<PeerAddress>();
    let Some(PeerAddress(peer)) = peer else { return check().await };
    let client = state.edge.trusted_proxies.client(*peer, &parts.headers);
    state.admission.admin_token_throttle.check(client).inspect_err(|_| note_throttled(client))?;
    let outcome = check().await;
    if outcome.as_ref().is_err_and(|failure| failure.kind == FailureKind::Unauthenticated) {
        state.admission.admin_token_throttle.note(client);
    }
    outcome
}

fn note_throttled(client: IpAddr) {
    series::refused(TOO_MANY_WRONG);
    if let Some(suppressed) = THROTTLED_LOGGED.due(&network(client).to_string()) {
        tracing::warn!(
            %client,
            suppressed,
            "too many wrong admin tokens from this client; further ones get 429"
        );
    }
}

/// Records a refused authentication in the audit, the log and the metrics. Of a key, only its public part is recorded.
pub(in crate::api) fn note_refusal(parts: &Parts, state: &AppState, failure: &Failure) {
    let key = authorization(&parts.headers).ok().and_then(shown_key);
    if matches!(failure.kind, FailureKind::Unauthenticated | FailureKind::InsufficientScope) {
        series::refused(failure.reason.unwrap_or(failure.kind.code()));
        if let Some(key) = key.clone() {
            request_record(parts).note_refused(key);
        }
    }
    state.gateway.audit.refused(key, request_id(parts), failure);
}

/// The only `Authorization` header. Two are refused, because proxies and servers differ in which of them they use.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(refused("The request has more than one `Authorization` header."));
    }
    first
        .map(|value| value.to_str().map_err(|_| refused("The `Authorization` header is not ASCII.")))
        .transpose()
}

fn refused(detail: &'static str) -> Failure {
    Failure::new(FailureKind::Unauthenticated, detail)
}
