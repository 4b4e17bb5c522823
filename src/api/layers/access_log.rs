//! Logs one line for each request. It names the matched route, never an id, a query or a value.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

use super::RequestId;

/// Logs the request with the status of its response.
pub(in crate::api) async fn log(request: Request, next: Next) -> Response {
    let began = crate::clock::monotonic();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    tracing::debug!(
        method = method.as_str(),
        route = route.as_ref().map_or("none", MatchedPath::as_str),
        status = response.status().as_u16(),
        micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        request_id = id.as_ref().map_or("", |id| id.0.as_str()),
        "answered"
    );
    response
}
