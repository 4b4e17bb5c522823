//! Operator endpoints for the API keys of a tenant.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::extract::{JsonBody, KeyPath, ListingParameters, NoParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::{KeyCreateProblems, KeyListProblems, KeyProblems};
use crate::api::response;
use crate::api::schema::{KeyListing, KeyResponse};
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::gateway::keys::KeyDraft;

/// Create a key
///
/// Returns the key and its secret. The secret is shown only once, in this response. A tenant can have several valid keys, so
/// that one can be replaced without an interruption.
#[utoipa::path(post, path = "/admin/tenants/{id}/keys", operation_id = "createKey", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1")),
    request_body = KeyDraft,
    responses((status = 201, description = "Created.", body = KeyResponse), KeyCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    TenantPath(tenant): TenantPath,
    _: Query<NoParameters>,
    JsonBody(draft): JsonBody<KeyDraft>,
) -> Result<Response> {
    let (key, secret) = gateway.keys.create(&actor, &tenant, draft).await?;
    response::created(&KeyResponse::of(&key, &secret))
}

/// List keys
///
/// Lists the keys of a tenant without their secrets, oldest first.
#[utoipa::path(get, path = "/admin/tenants/{id}/keys", operation_id = "listKeys", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1"), ListingParameters),
    responses((status = 200, description = "A page of keys.", body = KeyListing), KeyListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    TenantPath(tenant): TenantPath,
    Query(ListingParameters(request)): Query<ListingParameters>,
) -> Result<Response> {
    let listing = gateway.keys.list(&tenant, &request).await?;
    response::ok(&KeyListing::of(&listing))
}

/// Revoke a key
///
/// Takes effect at once in this process, and within 5 seconds in every other replica.
#[utoipa::path(delete, path = "/admin/tenants/{id}/keys/{keyId}", operation_id = "revokeKey", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1"),
        ("keyId" = String, Path, description = "The key's id.", example = "0193d3a2")),
    responses((status = 204, description = "Revoked."), KeyProblems))]
pub(in crate::api) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    KeyPath(tenant, key): KeyPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    gateway.keys.revoke(&actor, &tenant, &key).await?;
    Ok(response::no_content())
}
