//! Whether the process lives, and whether it takes traffic.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::{NoParameters, Query};
use super::openapi::problems::{Liveness, Readying};
use super::{Readiness, answer};
use crate::domain::Result;
use crate::gateway::Gateway;

/// The state of the process.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `live` or `ready`.
    #[schema(examples("live", "ready"))]
    status: &'static str,
    /// `full` while the disk of the database has no room: reads work, writes are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, examples("ok", "full"))]
    store: Option<&'static str>,
}

/// Does the process live?
///
/// Asks nothing of anybody: a process that answers lives. Meant for restarts.
#[utoipa::path(get, path = "/livez", operation_id = "getLiveness", tag = "operation",
    responses((status = 200, description = "It lives.", body = Health), Liveness), security(()))]
pub(super) async fn live(Query(NoParameters): Query<NoParameters>) -> Result<Response> {
    answer::ok(&Health { status: "live", store: None })
}

/// Does the process take traffic?
///
/// Fails from the moment on at which the process is told to stop, and while it cannot do its work: the database is away,
/// or its file was removed or replaced. `store` is `full` while the database's disk is full. Meant for load balancers.
#[utoipa::path(get, path = "/readyz", operation_id = "getReadiness", tag = "operation",
    responses((status = 200, description = "It takes traffic.", body = Health), Readying), security(()))]
pub(super) async fn ready(
    State(readiness): State<Readiness>,
    State(gateway): State<Arc<Gateway>>,
    Query(NoParameters): Query<NoParameters>,
) -> Result<Response> {
    readiness().await?;
    let store = if gateway.database.is_full() { "full" } else { "ok" };
    answer::ok(&Health { status: "ready", store: Some(store) })
}
