//! `GET /admin/audit`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::AuditParameters;
use crate::api::extract::{Operator, Query};
use crate::api::openapi::problems::AuditProblems;
use crate::api::response;
use crate::api::schema::AuditListing;
use crate::domain::Result;
use crate::gateway::Gateway;

/// List audit records
///
/// Lists writes, changes of tenants, keys and credentials, and refused authentications, newest first. A record names the
/// actor, the action, the changed fields and the outcome. It never holds a value.
#[utoipa::path(get, path = "/admin/audit", operation_id = "listAudit", tag = "admin",
    params(AuditParameters),
    responses((status = 200, description = "A page of records.", body = AuditListing), AuditProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    Query(AuditParameters(request)): Query<AuditParameters>,
) -> Result<Response> {
    let listing = gateway.audit.list(&request).await?;
    response::ok(&AuditListing::of(&listing))
}
