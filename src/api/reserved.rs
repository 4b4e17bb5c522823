//! Operations that are specified and not built yet: known, refused, and never taken for an id.

use axum::response::Response;

use super::extract::Signed;
use crate::domain::{Failure, FailureKind, Result};

/// Refuses a tenant's operation.
pub(super) async fn tenant(_: Signed) -> Result<Response> {
    refused()
}

fn refused() -> Result<Response> {
    Err(Failure::new(FailureKind::OperationUnsupported, "This operation is not built yet."))
}
