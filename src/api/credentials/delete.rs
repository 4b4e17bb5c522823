//! `DELETE /credentials/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{Context, CredentialPath, CredentialsWriter, NoParameters, Query};
use crate::api::openapi::problems::CredentialProblems;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Remove a credential
///
/// Destroys the sealed secret. Ids of its contacts mean nothing afterwards. Needs `credentials:write`.
#[utoipa::path(delete, path = "/credentials/{id}", operation_id = "deleteCredential", tag = "credentials",
    params(("id" = String, Path, description = "The `credentialId`.")),
    responses((status = 204, description = "Removed."), CredentialProblems))]
pub(in crate::api) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    CredentialsWriter(caller): CredentialsWriter,
    Context(context): Context,
    CredentialPath(id): CredentialPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    gateway.credentials.delete(&context, &caller, &id).await?;
    Ok(answer::no_content())
}
