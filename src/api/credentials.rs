//! Operations on credentials, and the list of supported CRMs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::adapters::AdapterSpec;
use crate::api::extract::{
    Context, CredentialsReader, CredentialsWriter, IdPath, IdempotencyKey, IdempotentJson, JsonBody,
    ListingParameters, NoParameters, Query, Signed, VerifyParameters,
};
use crate::api::openapi::problems::{
    CredentialCheckProblems, CredentialCreateProblems, CredentialListProblems, CredentialProblems,
    CredentialUpdateProblems, ProvidersProblems,
};
use crate::api::problem::ProblemContext;
use crate::api::response;
use crate::api::schema::{
    CheckResponse, CredentialListing, CredentialResponse, ProvidersResponse, declared_providers,
};
use crate::domain::{CredentialId, Result};
use crate::gateway::Gateway;
use crate::gateway::credentials::{
    CredentialDraft, CredentialPatch, CredentialRequest, CredentialResponseBuilder,
};

/// Create a credential
///
/// Links a CRM account. The secret is checked with the CRM first, unless `verify=false`. It is then stored sealed, and never
/// shown again. If the CRM rejects it, the response is 424 and nothing is stored. Requires the scope `credentials:write`.
#[utoipa::path(post, path = "/credentials", operation_id = "createCredential", tag = "credentials",
    params(Query<VerifyParameters>, IdempotencyKey), request_body = CredentialDraft,
    responses(
        (status = 201, description = "Created.", body = CredentialResponse,
            headers(("Location" = String, description = "The path of the credential."))),
        CredentialCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    CredentialsWriter(caller): CredentialsWriter,
    Context(context): Context,
    Query(asked): Query<VerifyParameters>,
    written: IdempotentJson<CredentialDraft>,
) -> Result<Response> {
    let IdempotentJson { body: draft, identity, keyed: _ } = written;
    let render: CredentialResponseBuilder = Arc::new(|credential| {
        let location = response::location(&["credentials", credential.id.as_str()], None);
        response::written(StatusCode::CREATED, &CredentialResponse::of(credential), Some(location))
    });
    let request = CredentialRequest { context, caller, draft, verify: asked.verify, identity, render };
    gateway.credentials.create_once(request).await.map(response::respond)
}

/// Get a credential
///
/// Returns one credential without its secret. Requires the scope `credentials:read`.
#[utoipa::path(get, path = "/credentials/{id}", operation_id = "getCredential", tag = "credentials",
    params(("id" = String, Path, description = "The `credentialId`.", example = "demo-aptly")),
    responses((status = 200, description = "The credential.", body = CredentialResponse), CredentialProblems))]
pub(in crate::api) async fn get(
    State(gateway): State<Arc<Gateway>>,
    CredentialsReader(caller): CredentialsReader,
    IdPath(id): IdPath<CredentialId>,
    _: Query<NoParameters>,
) -> Result<Response> {
    let credential = gateway.credentials.get(&caller, &id).await?;
    response::ok(&CredentialResponse::of(&credential))
}

/// List credentials
///
/// Lists the credentials that the key may use, oldest first. Requires the scope `credentials:read`.
#[utoipa::path(get, path = "/credentials", operation_id = "listCredentials", tag = "credentials",
    params(Query<ListingParameters>),
    responses((status = 200, description = "A page of credentials.", body = CredentialListing), CredentialListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    CredentialsReader(caller): CredentialsReader,
    Query(ListingParameters(request)): Query<ListingParameters>,
) -> Result<Response> {
    let listing = gateway.credentials.list(&caller, &request).await?;
    response::ok(&CredentialListing::of(&listing))
}

/// Update a credential
///
/// `settings` are merged by field; `null` resets a field. A new `baseUrl` requires the `secret` again, because a secret
/// belongs to one host. A changed secret or base URL is checked with the CRM first, unless `verify=false`. Requires the
/// scope `credentials:write`. A key that is limited to a list of credentials cannot change the `name`.
#[utoipa::path(patch, path = "/credentials/{id}", operation_id = "updateCredential", tag = "credentials",
    params(("id" = String, Path, description = "The `credentialId`.", example = "demo-aptly"), Query<VerifyParameters>),
    request_body = CredentialPatch,
    responses((status = 200, description = "Updated.", body = CredentialResponse), CredentialUpdateProblems))]
pub(in crate::api) async fn update(
    State(gateway): State<Arc<Gateway>>,
    CredentialsWriter(caller): CredentialsWriter,
    IdPath(id): IdPath<CredentialId>,
    Context(context): Context,
    Query(asked): Query<VerifyParameters>,
    JsonBody(patch): JsonBody<CredentialPatch>,
) -> Result<Response> {
    let credential = gateway.credentials.update(&context, &caller, &id, patch, asked.verify).await?;
    response::ok(&CredentialResponse::of(&credential))
}

/// Delete a credential
///
/// Destroys the sealed secret. The `id`s of its contacts become invalid. Requires the scope `credentials:write`.
#[utoipa::path(delete, path = "/credentials/{id}", operation_id = "deleteCredential", tag = "credentials",
    params(("id" = String, Path, description = "The `credentialId`.", example = "demo-aptly")),
    responses((status = 204, description = "Deleted."), CredentialProblems))]
pub(in crate::api) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    CredentialsWriter(caller): CredentialsWriter,
    Context(context): Context,
    IdPath(id): IdPath<CredentialId>,
    _: Query<NoParameters>,
) -> Result<Response> {
    gateway.credentials.delete(&context, &caller, &id).await?;
    Ok(response::no_content())
}

/// Check a credential
///
/// Checks whether the CRM still accepts the secret, and stores the result as `lastCheck`. If the CRM rejects the secret,
/// the response is 200 with `ok: false` and the problem. A login is repeated at most every 10 seconds, and a rejected one
/// at most every 30 seconds. Requires the scope `credentials:read`.
#[utoipa::path(post, path = "/credentials/{id}/check", operation_id = "checkCredential", tag = "credentials",
    params(("id" = String, Path, description = "The `credentialId`.", example = "demo-aptly")),
    responses((status = 200, description = "The result of the check.", body = CheckResponse), CredentialCheckProblems))]
pub(in crate::api) async fn check(
    State(gateway): State<Arc<Gateway>>,
    CredentialsReader(caller): CredentialsReader,
    IdPath(id): IdPath<CredentialId>,
    Context(context): Context,
    _: Query<NoParameters>,
    occurrence: ProblemContext,
) -> Result<Response> {
    let checked = gateway.credentials.check(&context, &caller, &id).await?;
    response::ok(&CheckResponse::of(&checked.outcome, checked.took, &occurrence))
}

/// List the supported CRMs
///
/// Returns for each CRM its operations, fields, filters and rate limits, and the settings and secret of a credential as JSON
/// Schema, from which an app can build its form to connect an account. Nothing is sent to a CRM. Any valid key may call it.
#[utoipa::path(get, path = "/providers", operation_id = "listProviders", tag = "credentials",
    responses((status = 200, description = "The supported CRMs.", body = ProvidersResponse), ProvidersProblems))]
pub(in crate::api) async fn providers(
    State(gateway): State<Arc<Gateway>>,
    _: Signed,
    _: Query<NoParameters>,
) -> Result<Response> {
    let limits = |spec: &AdapterSpec| gateway.credentials.rate_limits(spec);
    response::ok(&ProvidersResponse::of(&declared_providers(), limits))
}
