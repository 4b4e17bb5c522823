//! `GET /admin/tenants/{id}/keys`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{ListingParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::KeyListProblems;
use crate::api::schema::KeyListing;
use crate::domain::Result;
use crate::gateway::Gateway;

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
