//! The `Idempotency-Key` header, refused until it is built: accepted and ignored it would be a lie.

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::domain::{Failure, FailureKind, Result};

/// A write without an `Idempotency-Key`.
pub(in crate::api) struct NoIdempotencyKey;

impl<S: Sync> FromRequestParts<S> for NoIdempotencyKey {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        match parts.headers.get("idempotency-key") {
            None => Ok(Self),
            Some(_) => Err(Failure::new(
                FailureKind::OperationUnsupported,
                "`Idempotency-Key` is not built yet. Send the request without it.",
            )),
        }
    }
}
