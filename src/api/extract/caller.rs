//! Who calls: a tenant by key or token, or the operator by the admin token.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};

use super::context::request_id;
use crate::api::AppState;
use crate::auth::shown_key;
use crate::domain::{Actor, Caller, Failure, FailureKind, Principal, Result, Scope};

/// A tenant's caller, whatever it may do. Stands first among a handler's arguments: nothing else is looked at before.
pub(in crate::api) struct Signed(pub(in crate::api) Caller);

impl FromRequestParts<AppState> for Signed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let outcome = match authorization(&parts.headers) {
            Ok(shown) => state.authenticator.authenticate(shown).await,
            Err(failure) => Err(failure),
        };
        let caller = outcome.inspect_err(|failure| note(parts, state, failure))?;
        // As soon as it is known whose request it is: what is refused later counts too.
        state.gate.admit(&caller, parts.extensions.get())?;
        parts.extensions.insert(caller.tenant.clone());
        Ok(Self(caller))
    }
}

macro_rules! callers_with_a_scope {
    ($($name:ident $scope:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// Stands first among a handler's arguments: who may not do it sends a body for nothing, for it is not read.
        pub(in crate::api) struct $name(pub(in crate::api) Caller);

        impl FromRequestParts<AppState> for $name {
            type Rejection = Failure;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
                let Signed(caller) = Signed::from_request_parts(parts, state).await?;
                caller.require(Scope::$scope).inspect_err(|failure| note(parts, state, failure))?;
                Ok(Self(caller))
            }
        }
    )*};
}

callers_with_a_scope! {
    ContactsReader ContactsRead "A tenant's caller who may read contacts.";
    ContactsWriter ContactsWrite "A tenant's caller who may write contacts.";
    CredentialsReader CredentialsRead "A tenant's caller who may see credentials.";
    CredentialsWriter CredentialsWrite "A tenant's caller who may change credentials.";
}

/// The operator, as the audit names who acts. Stands first among a handler's arguments.
pub(in crate::api) struct Operator(pub(in crate::api) Actor);

impl FromRequestParts<AppState> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let outcome = match authorization(&parts.headers) {
            Ok(shown) => state.authenticator.is_operator(shown).await,
            Err(failure) => Err(failure),
        };
        outcome.inspect_err(|failure| note(parts, state, failure))?;
        Ok(Self(Actor { principal: Principal::Operator, request_id: request_id(parts) }))
    }
}

/// Tells the audit who was not let in; of a key its public part alone.
fn note(parts: &Parts, state: &AppState, failure: &Failure) {
    let key = authorization(&parts.headers).ok().and_then(shown_key);
    state.gateway.audit.refused(key, request_id(parts), failure);
}

/// The one `Authorization` header; which of two would count depends on who looks.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(refused("There is more than one `Authorization` header."));
    }
    first
        .map(|value| value.to_str().map_err(|_| refused("The `Authorization` header is not ASCII.")))
        .transpose()
}

fn refused(detail: &'static str) -> Failure {
    Failure::new(FailureKind::Unauthenticated, detail)
}
