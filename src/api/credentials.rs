//! Operations on credentials.

use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::StatusCode;

use crate::api::answer;
use crate::api::extract::{
    Context, CredentialPath, CredentialsReader, CredentialsWriter, IdempotencyKey, IdempotentJson, JsonBody,
    ListingParameters, NoParameters, Query, VerifyParameters,
};
use crate::api::openapi::problems::{
    CredentialCheckProblems, CredentialCreateProblems, CredentialListProblems, CredentialProblems,
    CredentialUpdateProblems,
};
use crate::api::schema::{CheckAnswer, CredentialAnswer, CredentialListing};
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::gateway::credentials::{
    CredentialDraft, CredentialPatch, CredentialRequest, CredentialResponseBuilder,
};

/// Link a CRM account
///
/// Stores a credential after the CRM has accepted its secret; `verify=false` skips that. The secret is sealed and
/// never shown again. A CRM that refuses it is 424, and nothing is stored. Needs `credentials:write`.
#[utoipa::path(post, path = "/credentials", operation_id = "createCredential", tag = "credentials",
    params(VerifyParameters, IdempotencyKey), request_body = CredentialDraft,
    responses(
        (status = 201, description = "Stored.", body = CredentialAnswer,
            headers(("Location" = String, description = "Where to read the credential."))),
        CredentialCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    CredentialsWriter(caller): CredentialsWriter,
    Context(context): Context,
    Query(asked): Query<VerifyParameters>,
    written: IdempotentJson<CredentialDraft>,
) -> Result<Response> {
    let IdempotentJson { body: draft, once, keyed: _ } = written;
    let render: CredentialResponseBuilder = Arc::new(|credential| {
        let place = answer::place(&["credentials", credential.id.as_str()], None);
        answer::written(StatusCode::CREATED, &CredentialAnswer::of(credential), Some(place))
    });
    let request = CredentialRequest { context, caller, draft, verify: asked.verify, once, render };
    gateway.credentials.create_once(request).await.map(answer::respond)
}

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
