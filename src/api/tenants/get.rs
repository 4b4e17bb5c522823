//! `GET /admin/tenants/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{NoParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::TenantProblems;
use crate::api::schema::TenantUsageAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;

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
