//! `GET /credentials/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{CredentialPath, CredentialsReader, NoParameters, Query};
use crate::api::openapi::problems::CredentialProblems;
use crate::api::schema::CredentialAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Get a credential
///
/// One credential, never its secret. Needs `credentials:read`.
#[utoipa::path(get, path = "/credentials/{id}", operation_id = "getCredential", tag = "credentials",
    params(("id" = String, Path, description = "The `credentialId`.")),
    responses((status = 200, description = "The credential.", body = CredentialAnswer), CredentialProblems))]
pub(in crate::api) async fn get(
    State(gateway): State<Arc<Gateway>>,
    CredentialsReader(caller): CredentialsReader,
    CredentialPath(id): CredentialPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    let credential = gateway.credentials.get(&caller, &id).await?;
    answer::ok(&CredentialAnswer::of(&credential))
}
