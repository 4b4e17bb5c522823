//! Renders failures as problems. This layer knows the path and the request id.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::RequestId;
use crate::api::problem::{Raised, render};
use crate::domain::{FailureKind, Text};

/// Renders failures; other responses pass unchanged.
pub(in crate::api) async fn envelope(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let id = request.extensions().get::<RequestId>().map_or(Text::from_static(""), |id| id.0.clone());
    let mut response = next.run(request).await;
    let Some(Raised(failure)) = response.extensions_mut().remove() else { return response };
    if failure.kind == FailureKind::Internal {
        tracing::error!(request_id = id.as_str(), detail = failure.detail.as_str(), "internal failure");
    }
    render(&failure, uri.path(), &id).into_response()
}
