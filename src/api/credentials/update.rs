//! `PATCH /credentials/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{Context, CredentialPath, CredentialsWriter, JsonBody, Query, VerifyParameters};
use crate::api::openapi::problems::CredentialUpdateProblems;
use crate::api::schema::CredentialAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::gateway::credentials::CredentialPatch;

/// Change a credential
///
/// `settings` merge by member, `null` resets one. Another `baseUrl` needs the `secret` again: a secret is for one
/// host. A changed secret or base URL is checked with the CRM first; `verify=false` skips that. Needs
/// `credentials:write`, and for a new `name` a key without a list of credentials.
#[utoipa::path(patch, path = "/credentials/{id}", operation_id = "updateCredential", tag = "credentials",
    params(("id" = String, Path, description = "The `credentialId`."), VerifyParameters),
    request_body = CredentialPatch,
    responses((status = 200, description = "Changed.", body = CredentialAnswer), CredentialUpdateProblems))]
pub(in crate::api) async fn update(
    State(gateway): State<Arc<Gateway>>,
    CredentialsWriter(caller): CredentialsWriter,
    CredentialPath(id): CredentialPath,
    Context(context): Context,
    Query(asked): Query<VerifyParameters>,
    JsonBody(patch): JsonBody<CredentialPatch>,
) -> Result<Response> {
    let credential = gateway.credentials.update(&context, &caller, &id, patch, asked.verify).await?;
    answer::ok(&CredentialAnswer::of(&credential))
}
