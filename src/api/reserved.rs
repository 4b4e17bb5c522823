//! Operations that are specified but not implemented yet. They are refused, and their paths are never treated as ids.

use axum::response::Response;

use super::extract::Signed;
use crate::domain::{Failure, FailureKind, Result};

/// Refuses an operation of a tenant.
pub(super) async fn tenant(_: Signed) -> Result<Response> {
    refused()
}

fn refused() -> Result<Response> {
    Err(Failure::new(FailureKind::OperationUnsupported, "This operation is not implemented yet."))
}
