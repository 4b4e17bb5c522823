//! `GET /providers`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::extract::{NoParameters, Query, Signed};
use super::openapi::problems::ProvidersProblems;
use super::response;
use super::schema::{ProvidersResponse, declared_providers};
use crate::adapters::AdapterSpec;
use crate::domain::Result;
use crate::gateway::Gateway;

/// List the supported CRMs
///
/// Returns for each CRM its operations, fields, filters and rate limits, and the settings and secret of a credential as JSON
/// Schema, from which an app can build its form to connect an account. Nothing is sent to a CRM. Any valid key may call it.
#[utoipa::path(get, path = "/providers", operation_id = "listProviders", tag = "credentials",
    responses((status = 200, description = "The supported CRMs.", body = ProvidersResponse), ProvidersProblems))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    _: Signed,
    _: Query<NoParameters>,
) -> Result<Response> {
    let limits = |spec: &AdapterSpec| gateway.credentials.rate_limits(spec);
    response::ok(&ProvidersResponse::of(&declared_providers(), limits))
}
