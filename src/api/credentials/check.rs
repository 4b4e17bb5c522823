//! `POST /credentials/{id}/check`

use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{Context, CredentialPath, CredentialsReader, NoParameters, Query};
use crate::api::openapi::problems::CredentialCheckProblems;
use crate::api::schema::CheckAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Check a credential
///
/// Asks the CRM whether it still accepts the secret, and remembers the answer as `lastCheck`. A refused secret is an
/// answer too: 200 with `ok: false` and the problem. A login is made anew at most every 10 seconds, and one that was
/// refused at most every 30. Needs `credentials:read`.
#[utoipa::path(post, path = "/credentials/{id}/check", operation_id = "checkCredential", tag = "credentials",
    params(("id" = String, Path, description = "The `credentialId`.")),
    responses((status = 200, description = "How it went.", body = CheckAnswer), CredentialCheckProblems))]
pub(in crate::api) async fn check(
    State(gateway): State<Arc<Gateway>>,
    CredentialsReader(caller): CredentialsReader,
    CredentialPath(id): CredentialPath,
    Context(context): Context,
    _: Query<NoParameters>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response> {
    let checked = gateway.credentials.check(&context, &caller, &id).await?;
    answer::ok(&CheckAnswer::of(&checked.outcome, checked.took, uri.path(), &context.request_id))
}
