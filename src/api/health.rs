//! Health checks and metrics of the process.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::{NoParameters, Query};
use super::openapi::problems::{Liveness, Readying};
use super::{Readiness, response};
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::telemetry::series;

/// The state of the process.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `live` or `ready`.
    #[schema(examples("live", "ready"))]
    status: &'static str,
    /// `full` while the database's disk is full: reads work, writes are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, examples("ok", "full"))]
    store: Option<&'static str>,
}

/// Check liveness
///
/// Succeeds while the process accepts connections. It checks no dependencies. Use it to decide about restarts.
#[utoipa::path(get, path = "/livez", operation_id = "getLiveness", tag = "operation",
    responses((status = 200, description = "The process is live.", body = Health), Liveness), security(()))]
pub(super) async fn live(Query(NoParameters): Query<NoParameters>) -> Result<Response> {
    response::ok(&Health { status: "live", store: None })
}

/// Check readiness
///
/// Fails once the process has been told to stop, while the database is unavailable, and after the database file was removed
/// or replaced. `store` is `full` while the database's disk is full. Use it for load balancers.
#[utoipa::path(get, path = "/readyz", operation_id = "getReadiness", tag = "operation",
    responses((status = 200, description = "The process is ready for traffic.", body = Health), Readying), security(()))]
pub(super) async fn ready(
    State(readiness): State<Readiness>,
    State(gateway): State<Arc<Gateway>>,
    Query(NoParameters): Query<NoParameters>,
) -> Result<Response> {
    readiness().await?;
    let store = if gateway.database.is_full() { "full" } else { "ok" };
    response::ok(&Health { status: "ready", store: Some(store) })
}

/// The content type of Prometheus's text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics. They name no tenant, so no key is needed.
pub(super) async fn scrape(_: Query<NoParameters>) -> Response {
    ([(header::CONTENT_TYPE, TEXT)], series::page()).into_response()
}
