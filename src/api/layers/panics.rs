//! A panic is a bug: the caller reads `internal`, the process goes on.

use std::any::Any;

use axum::response::{IntoResponse, Response};

use crate::domain::Failure;

/// The answer to a request whose handler panicked. The payload is dropped unread: a slicing panic quotes the text it
/// sliced, which may be a contact's.
pub(in crate::api) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Failure::internal("a panic; the panic hook tells where").into_response()
}
