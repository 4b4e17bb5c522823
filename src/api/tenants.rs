//! Operator endpoints for tenants.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::extract::{JsonBody, ListingParameters, NoParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::{TenantCreateProblems, TenantListProblems, TenantProblems};
use crate::api::request::TenantDraft;
use crate::api::response;
use crate::api::schema::{TenantListing, TenantResponse, TenantUsageResponse};
use crate::domain::Result;
use crate::gateway::Gateway;

/// Create a tenant
///
/// A tenant owns credentials and API keys. Its name must be unique, and must not begin with `ten_`, the prefix of ids.
#[utoipa::path(post, path = "/admin/tenants", operation_id = "createTenant", tag = "admin",
    request_body = TenantDraft,
    responses(
        (status = 201, description = "Created.", body = TenantResponse,
            headers(("Location" = String, description = "The path of the tenant."))),
        TenantCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    _: Query<NoParameters>,
    JsonBody(draft): JsonBody<TenantDraft>,
) -> Result<Response> {
    let tenant = gateway.tenants.create(&actor, &draft.name).await?;
    let response = response::created(&TenantResponse::of(&tenant))?;
    Ok(response::located(response, response::location(&["admin", "tenants", tenant.id.as_str()], None)))
}

/// Get a tenant
///
/// Returns one tenant with its usage and limits.
#[utoipa::path(get, path = "/admin/tenants/{id}", operation_id = "getTenant", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1")),
    responses((status = 200, description = "The tenant.", body = TenantUsageResponse), TenantProblems))]
pub(in crate::api) async fn get(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    TenantPath(id): TenantPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    let tenant = gateway.tenants.get(&id).await?;
    let usage = gateway.tenants.usage(&tenant.id).await?;
    response::ok(&TenantUsageResponse::of(&tenant, &usage))
}

/// List tenants
///
/// Lists all tenants, oldest first.
#[utoipa::path(get, path = "/admin/tenants", operation_id = "listTenants", tag = "admin",
    params(ListingParameters),
    responses((status = 200, description = "A page of tenants.", body = TenantListing), TenantListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    Query(ListingParameters(request)): Query<ListingParameters>,
) -> Result<Response> {
    let listing = gateway.tenants.list(&request).await?;
    response::ok(&TenantListing::of(&listing))
}

/// Delete a tenant
///
/// Deletes its credentials, their sealed secrets and its API keys. Contacts in the CRMs are not affected.
#[utoipa::path(delete, path = "/admin/tenants/{id}", operation_id = "deleteTenant", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1")),
    responses((status = 204, description = "Deleted."), TenantProblems))]
pub(in crate::api) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    TenantPath(id): TenantPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    gateway.tenants.delete(&actor, &id).await?;
    Ok(response::no_content())
}
