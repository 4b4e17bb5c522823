//! `GET /admin/tenants`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{ListingParameters, Operator, Query};
use crate::api::openapi::problems::TenantListProblems;
use crate::api::schema::TenantListing;
use crate::domain::Result;
use crate::gateway::Gateway;

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
