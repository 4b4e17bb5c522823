//! The operator's operations on a tenant's keys.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{JsonBody, KeyPath, ListingParameters, NoParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::{KeyCreateProblems, KeyListProblems, KeyProblems};
use crate::api::schema::{KeyAnswer, KeyListing};
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::gateway::keys::KeyDraft;

/// Make a key
///
/// The answer holds the key's secret, here and never again. Several keys may live at a time, so that one can be
/// replaced without a pause.
#[utoipa::path(post, path = "/admin/tenants/{id}/keys", operation_id = "createKey", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.")),
    request_body = KeyDraft,
    responses((status = 201, description = "Made.", body = KeyAnswer), KeyCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    TenantPath(tenant): TenantPath,
    _: Query<NoParameters>,
    JsonBody(draft): JsonBody<KeyDraft>,
) -> Result<Response> {
    let (key, secret) = gateway.keys.create(&actor, &tenant, draft).await?;
    answer::created(&KeyAnswer::of(&key, &secret))
}

/// List keys
///
/// A tenant's keys without their secrets, oldest first.
#[utoipa::path(get, path = "/admin/tenants/{id}/keys", operation_id = "listKeys", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id."), ListingParameters),
    responses((status = 200, description = "Some keys.", body = KeyListing), KeyListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    TenantPath(tenant): TenantPath,
    Query(ListingParameters(request)): Query<ListingParameters>,
) -> Result<Response> {
    let listing = gateway.keys.list(&tenant, &request).await?;
    answer::ok(&KeyListing::of(&listing))
}

/// Revoke a key
///
/// It is refused at once here, and within 5 s by every other replica.
#[utoipa::path(delete, path = "/admin/tenants/{id}/keys/{keyId}", operation_id = "revokeKey", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id."),
        ("keyId" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "Revoked."), KeyProblems))]
pub(in crate::api) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    KeyPath(tenant, key): KeyPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    gateway.keys.revoke(&actor, &tenant, &key).await?;
    Ok(answer::no_content())
}
