//! `GET /admin/tenants/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{NoParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::TenantProblems;
use crate::api::schema::TenantAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Get a tenant
///
/// One tenant.
#[utoipa::path(get, path = "/admin/tenants/{id}", operation_id = "getTenant", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.")),
    responses((status = 200, description = "The tenant.", body = TenantAnswer), TenantProblems))]
pub(in crate::api) async fn get(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    TenantPath(id): TenantPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    let tenant = gateway.tenants.get(&id).await?;
    answer::ok(&TenantAnswer::of(&tenant))
}
