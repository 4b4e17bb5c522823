//! The query of a request, taken by every operation: those without parameters refuse whatever stands there.

use axum::extract::FromRequestParts;
use http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{QueryReader, Read, context};
use crate::api::openapi::parameters;
use crate::domain::{CredentialId, Failure, Result};
use crate::gateway::ListingRequest;

/// The parameters of one operation: read here, documented by [`IntoParams`].
pub(in crate::api) trait Parameters: IntoParams + Sized {
    /// Reads them, everything before the first `?`, so that all faults are named.
    fn read(query: &mut QueryReader) -> Read<Self>;
}

/// The parameters `P`, whole and alone.
pub(in crate::api) struct Query<P>(pub(in crate::api) P);

impl<P: Parameters, S: Sync> FromRequestParts<S> for Query<P> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // The deadline is a parameter too: checked here, it is never accepted and ignored where nothing needs it.
        context::time(&parts.headers, &parts.method)?;
        QueryReader::read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// No parameters at all.
pub(in crate::api) struct NoParameters;

impl Parameters for NoParameters {
    fn read(_: &mut QueryReader) -> Read<Self> {
        Ok(Self)
    }
}

impl IntoParams for NoParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Vec::new()
    }
}

/// The credential and nothing else.
pub(in crate::api) struct CredentialOnly {
    /// Which credential.
    pub(in crate::api) credential: CredentialId,
}

impl Parameters for CredentialOnly {
    fn read(query: &mut QueryReader) -> Read<Self> {
        Ok(Self { credential: query.credential()? })
    }
}

impl IntoParams for CredentialOnly {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![parameters::credential()]
    }
}

/// Which part of a listing of tenants, keys or credentials.
pub(in crate::api) struct ListingParameters(pub(in crate::api) ListingRequest);

impl Parameters for ListingParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (cursor, page_size) = (query.text("cursor"), query.page_size());
        Ok(Self(ListingRequest { cursor: cursor?, page_size: page_size? }))
    }
}

impl IntoParams for ListingParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![parameters::cursor(), parameters::page_size()]
    }
}

/// Whether a credential is probed before it is stored.
pub(in crate::api) struct VerifyParameters {
    /// Whether.
    pub(in crate::api) verify: bool,
}

impl Parameters for VerifyParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        Ok(Self { verify: query.flag("verify", true)? })
    }
}

impl IntoParams for VerifyParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "`false` stores it without asking the CRM whether it accepts the secret.";
        vec![parameters::flag("verify", true, description)]
    }
}
