//! The operator's operations on tenants.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{JsonBody, ListingParameters, NoParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::{TenantCreateProblems, TenantListProblems, TenantProblems};
use crate::api::request::TenantDraft;
use crate::api::schema::{TenantAnswer, TenantListing, TenantUsageAnswer};
use crate::domain::Result;
use crate::gateway::Gateway;

/// Make a tenant
///
/// A tenant owns credentials and keys; its name is unique and does not begin with `ten_`, as ids do.
#[utoipa::path(post, path = "/admin/tenants", operation_id = "createTenant", tag = "admin",
    request_body = TenantDraft,
    responses(
        (status = 201, description = "Made.", body = TenantAnswer,
            headers(("Location" = String, description = "Where to read the tenant."))),
        TenantCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    _: Query<NoParameters>,
    JsonBody(draft): JsonBody<TenantDraft>,
) -> Result<Response> {
    let tenant = gateway.tenants.create(&actor, &draft.name).await?;
    let answer = answer::created(&TenantAnswer::of(&tenant))?;
    Ok(answer::located(answer, answer::place(&["admin", "tenants", tenant.id.as_str()], None)))
}

/// Get a tenant
///
/// One tenant, with what it has stored and may have.
#[utoipa::path(get, path = "/admin/tenants/{id}", operation_id = "getTenant", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.")),
    responses((status = 200, description = "The tenant.", body = TenantUsageAnswer), TenantProblems))]
pub(in crate::api) async fn get(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    TenantPath(id): TenantPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    let tenant = gateway.tenants.get(&id).await?;
    let usage = gateway.tenants.usage(&tenant.id).await?;
    answer::ok(&TenantUsageAnswer::of(&tenant, &usage))
}

/// List tenants
///
/// Oldest first.
#[utoipa::path(get, path = "/admin/tenants", operation_id = "listTenants", tag = "admin",
    params(ListingParameters),
    responses((status = 200, description = "Some tenants.", body = TenantListing), TenantListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    Query(ListingParameters(request)): Query<ListingParameters>,
) -> Result<Response> {
    let listing = gateway.tenants.list(&request).await?;
    answer::ok(&TenantListing::of(&listing))
}

/// Remove a tenant
///
/// Destroys its credentials with their secrets, and its keys.
#[utoipa::path(delete, path = "/admin/tenants/{id}", operation_id = "deleteTenant", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.")),
    responses((status = 204, description = "Removed."), TenantProblems))]
pub(in crate::api) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    TenantPath(id): TenantPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    gateway.tenants.delete(&actor, &id).await?;
    Ok(answer::no_content())
}
