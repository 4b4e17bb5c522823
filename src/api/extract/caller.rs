//! Who calls: a tenant by key or token, or the operator by the admin token.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};

use crate::api::AppState;
use crate::domain::{Caller, Failure, FailureKind, Result};

/// A tenant's caller. Stands first among a handler's arguments: nothing else is looked at before.
pub(in crate::api) struct Signed(pub(in crate::api) Caller);

impl FromRequestParts<AppState> for Signed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        state.authenticator.authenticate(authorization(&parts.headers)?).await.map(Self)
    }
}

/// The operator. Stands first among a handler's arguments.
pub(in crate::api) struct Operator;

impl FromRequestParts<AppState> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        state.authenticator.is_operator(authorization(&parts.headers)?).await.map(|()| Self)
    }
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
