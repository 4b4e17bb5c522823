//! `POST /credentials`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{Body, Context, CredentialsWriter, NoIdempotencyKey, Query, VerifyParameters};
use crate::api::openapi::problems::CredentialCreateProblems;
use crate::api::schema::{CredentialAnswer, CredentialCreate};
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::gateway::credentials::CredentialDraft;

/// Link a CRM account
///
/// Stores a credential after the CRM has accepted its secret; `verify=false` skips that. The secret is sealed and
/// never shown again. A CRM that refuses it is 424, and nothing is stored. Needs `credentials:write`.
#[utoipa::path(post, path = "/credentials", operation_id = "createCredential", tag = "credentials",
    params(VerifyParameters), request_body = CredentialCreate,
    responses(
        (status = 201, description = "Stored.", body = CredentialAnswer,
            headers(("Location" = String, description = "Where to read the credential."))),
        CredentialCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    CredentialsWriter(caller): CredentialsWriter,
    Context(context): Context,
    Query(asked): Query<VerifyParameters>,
    _: NoIdempotencyKey,
    Body(draft): Body<CredentialDraft>,
) -> Result<Response> {
    let credential = gateway.credentials.create(&context, &caller, draft, asked.verify).await?;
    let answer = answer::created(&CredentialAnswer::of(&credential))?;
    Ok(answer::located(answer, &["credentials", credential.id.as_str()], None))
}
