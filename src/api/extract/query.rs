//! The query of a request. Every operation reads it: an operation without parameters refuses all parameters.

use axum::extract::FromRequestParts;
use http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::{QueryReader, Read, context};
use crate::api::openapi::parameters;
use crate::domain::{CredentialId, Failure, Result};
use crate::gateway::ListingRequest;

/// The parameters of one operation.
pub(in crate::api) trait Parameters: Sized {
    /// Reads the parameters. Call all reads before the first `?`, so that all faults are reported.
    fn read(query: &mut QueryReader) -> Read<Self>;

    /// The parameters in the OpenAPI document.
    fn documented() -> Vec<Parameter>;
}

/// The parameters `P`, and no others.
pub(in crate::api) struct Query<P>(pub(in crate::api) P);

impl<P: Parameters, S: Sync> FromRequestParts<S> for Query<P> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // The deadline is checked here, so that an invalid one is refused even if the operation does not use it.
        context::time(&parts.headers, &parts.method)?;
        QueryReader::read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<P: Parameters> IntoParams for Query<P> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        P::documented()
    }
}

/// For an operation without parameters.
pub(in crate::api) struct NoParameters;

impl Parameters for NoParameters {
    fn read(_: &mut QueryReader) -> Read<Self> {
        Ok(Self)
    }

    fn documented() -> Vec<Parameter> {
        Vec::new()
    }
}

/// The credential as the only parameter.
pub(in crate::api) struct CredentialOnly {
    pub(in crate::api) credential: CredentialId,
}

impl Parameters for CredentialOnly {
    fn read(query: &mut QueryReader) -> Read<Self> {
        Ok(Self { credential: query.credential()? })
    }

    fn documented() -> Vec<Parameter> {
        vec![parameters::credential()]
    }
}

/// The position in a list of tenants, keys or credentials.
pub(in crate::api) struct ListingParameters(pub(in crate::api) ListingRequest);

impl Parameters for ListingParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (cursor, page_size) = (query.text("cursor"), query.page_size());
        Ok(Self(ListingRequest { cursor: cursor?, page_size: page_size? }))
    }

    fn documented() -> Vec<Parameter> {
        vec![parameters::cursor(), parameters::page_size()]
    }
}

/// Whether a credential is checked with the CRM before it is stored.
pub(in crate::api) struct VerifyParameters {
    pub(in crate::api) verify: bool,
}

impl Parameters for VerifyParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        Ok(Self { verify: query.flag("verify", true)? })
    }

    fn documented() -> Vec<Parameter> {
        let description = "If `false`, the secret is not checked with the CRM before it is stored.";
        vec![parameters::flag("verify", true, description)]
    }
}
