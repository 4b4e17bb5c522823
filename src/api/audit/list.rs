//! `GET /admin/audit`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::AuditParameters;
use crate::api::answer;
use crate::api::extract::{Operator, Query};
use crate::api::openapi::problems::AuditProblems;
use crate::api::schema::AuditListing;
use crate::domain::Result;
use crate::gateway::Gateway;

/// List audit records
///
/// Every write, every change of a tenant, key or credential, and refused authentications, newest first: who, what,
/// which fields by name, how it ended; never a value.
#[utoipa::path(get, path = "/admin/audit", operation_id = "listAudit", tag = "admin",
    params(AuditParameters),
    responses((status = 200, description = "Some records.", body = AuditListing), AuditProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    Query(AuditParameters(request)): Query<AuditParameters>,
) -> Result<Response> {
    let listing = gateway.audit.list(&request).await?;
    answer::ok(&AuditListing::of(&listing))
}
