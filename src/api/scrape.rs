//! `GET /metrics`, for Prometheus.

use axum::response::{IntoResponse, Response};
use http::header;

use super::extract::{NoParameters, Query};
use crate::telemetry::series;

/// The content type of Prometheus's text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics. They name no tenant, so no key is needed.
pub(super) async fn page(_: Query<NoParameters>) -> Response {
    ([(header::CONTENT_TYPE, TEXT)], series::page()).into_response()
}
