//! `DELETE /admin/tenants/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{NoParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::TenantProblems;
use crate::domain::Result;
use crate::gateway::Gateway;

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
