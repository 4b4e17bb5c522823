//! Operations that are specified and not built yet: known, refused, and never taken for an id.

use axum::response::Response;

use super::extract::{Operator, Signed};
use crate::domain::{Failure, FailureKind, Result};

/// Refuses a tenant's operation.
pub(super) async fn tenant(_: Signed) -> Result<Response> {
    refused()
}

/// Refuses an operator's operation.
pub(super) async fn operator(_: Operator) -> Result<Response> {
    refused()
}

fn refused() -> Result<Response> {
    Err(Failure::new(FailureKind::OperationUnsupported, "This operation is not built yet."))
}
