//! Whether the process lives, and whether it takes traffic.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::{NoParameters, Query};
use super::openapi::problems::{Liveness, Readying};
use super::{Readiness, answer};
use crate::domain::Result;

/// The state of the process.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `live` or `ready`.
    #[schema(examples("live", "ready"))]
    status: &'static str,
}

/// Does the process live?
///
/// Asks nothing of anybody: a process that answers lives. Meant for restarts.
#[utoipa::path(get, path = "/livez", operation_id = "getLiveness", tag = "operation",
    responses((status = 200, description = "It lives.", body = Health), Liveness), security(()))]
pub(super) async fn live(Query(NoParameters): Query<NoParameters>) -> Result<Response> {
    answer::ok(&Health { status: "live" })
}

/// Does the process take traffic?
///
/// Fails from the moment on at which the process is told to stop, and while it cannot do its work. Meant for load
/// balancers.
#[utoipa::path(get, path = "/readyz", operation_id = "getReadiness", tag = "operation",
    responses((status = 200, description = "It takes traffic.", body = Health), Readying), security(()))]
pub(super) async fn ready(
    State(readiness): State<Readiness>,
    Query(NoParameters): Query<NoParameters>,
) -> Result<Response> {
    readiness().await?;
    answer::ok(&Health { status: "ready" })
}
