//! Renders failures as problems. This layer knows the path and the request id.

use std::any::Any;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::problem::{ProblemContext, Raised, render};
use crate::domain::{Failure, FailureKind, RequestRecord};

/// Renders failures; other responses pass unchanged.
pub(in crate::api) async fn envelope(request: Request, next: Next) -> Response {
    let context = ProblemContext::of(request.uri(), request.extensions());
    let record = request.extensions().get::<RequestRecord>().cloned().unwrap_or_default();
    let mut response = next.run(request).await;
    let Some(Raised(failure)) = response.extensions_mut().remove() else { return response };
    record.note_failure(&failure);
    if failure.kind == FailureKind::Internal {
        tracing::error!(
            request_id = context.request_id.as_str(),
            detail = failure.detail.as_str(),
            "internal failure"
        );
    }
    render(&failure, &context).into_response()
}

/// The response to a request whose handler panicked. The payload is not logged: a slicing panic quotes the sliced text, which
/// may be contact data.
pub(in crate::api) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Failure::internal("a panic; the panic hook tells where").into_response()
}
