//! Converts a panic to an `internal` failure. The process continues.

use std::any::Any;

use axum::response::{IntoResponse, Response};

use crate::domain::Failure;

/// The response to a request whose handler panicked. The payload is not logged: a slicing panic quotes the sliced text, which
/// may be contact data.
pub(in crate::api) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Failure::internal("a panic; the panic hook tells where").into_response()
}
