//! `GET /providers`

use axum::response::Response;

use super::extract::{NoParameters, Query, Signed};
use super::openapi::problems::ProvidersProblems;
use super::response;
use super::schema::{ProvidersResponse, declared_providers};
use crate::domain::Result;

/// List the supported CRMs
///
/// Returns for each CRM its operations, fields, filters and rate limits, and the settings and secret of a credential as JSON
/// Schema, from which an app can build its form to connect an account. Nothing is sent to a CRM. Any valid key may call it.
#[utoipa::path(get, path = "/providers", operation_id = "listProviders", tag = "credentials",
    responses((status = 200, description = "The supported CRMs.", body = ProvidersResponse), ProvidersProblems))]
pub(super) async fn list(_: Signed, _: Query<NoParameters>) -> Result<Response> {
    response::ok(&ProvidersResponse::of(&declared_providers()))
}
