//! `GET /credentials`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{CredentialsReader, ListingParameters, Query};
use crate::api::openapi::problems::CredentialListProblems;
use crate::api::schema::CredentialListing;
use crate::domain::Result;
use crate::gateway::Gateway;

/// List credentials
///
/// The credentials that the key may name, oldest first. Needs `credentials:read`.
#[utoipa::path(get, path = "/credentials", operation_id = "listCredentials", tag = "credentials",
    params(ListingParameters),
    responses((status = 200, description = "Some credentials.", body = CredentialListing), CredentialListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    CredentialsReader(caller): CredentialsReader,
    Query(ListingParameters(request)): Query<ListingParameters>,
) -> Result<Response> {
    let listing = gateway.credentials.list(&caller, &request).await?;
    answer::ok(&CredentialListing::of(&listing))
}
