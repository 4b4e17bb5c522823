//! `POST /admin/tenants/{id}/keys`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{JsonBody, NoParameters, Operator, Query, TenantPath};
use crate::api::openapi::problems::KeyCreateProblems;
use crate::api::schema::KeyAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::gateway::keys::KeyDraft;

/// Make a key
///
/// The answer holds the key's secret, here and never again. Several keys may live at a time, so that one can be
/// replaced without a pause.
#[utoipa::path(post, path = "/admin/tenants/{id}/keys", operation_id = "createKey", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.")),
    request_body = KeyDraft,
    responses((status = 201, description = "Made.", body = KeyAnswer), KeyCreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    TenantPath(tenant): TenantPath,
    _: Query<NoParameters>,
    JsonBody(draft): JsonBody<KeyDraft>,
) -> Result<Response> {
    let (key, secret) = gateway.keys.create(&actor, &tenant, draft).await?;
    answer::created(&KeyAnswer::of(&key, &secret))
}
