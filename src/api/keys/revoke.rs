//! `DELETE /admin/tenants/{id}/keys/{keyId}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{KeyPath, NoParameters, Operator, Query};
use crate::api::openapi::problems::KeyProblems;
use crate::domain::Result;
use crate::gateway::Gateway;

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
