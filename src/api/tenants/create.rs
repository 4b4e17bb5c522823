//! `POST /admin/tenants`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{JsonBody, NoParameters, Operator, Query};
use crate::api::openapi::problems::TenantCreateProblems;
use crate::api::request::TenantDraft;
use crate::api::schema::TenantAnswer;
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
