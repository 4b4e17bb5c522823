//! Failures as `application/problem+json`: one format for all errors, including those of the framework.

mod body;
mod context;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

pub(in crate::api) use body::CredentialProblem;
pub use body::{Problem, ProblemCode, ProblemOrigin, ProblemRetryable};
pub use context::ProblemContext;
pub use status::{status, title};

use crate::domain::{Failure, FailureKind};
use crate::json;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A failure becomes a response without a body. A layer that knows the path and the request id fills it in with [`render`].
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = status(self.kind).into_response();
        response.extensions_mut().insert(Raised(Arc::new(self)));
        response
    }
}

/// The failure of a response, as an extension for the layer that renders it.
#[derive(Clone)]
pub(in crate::api) struct Raised(pub(in crate::api) Arc<Failure>);

/// A rendered problem, to send or to store for a replay.
pub struct Rendered {
    pub status: StatusCode,
    /// The headers, without the content type.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, as JSON.
    pub body: Vec<u8>,
}

/// Renders `failure` as the problem of a request.
#[must_use]
pub fn render(failure: &Failure, context: &ProblemContext) -> Rendered {
    let problem = Problem::of(failure, context);
    // A problem consists of strings and numbers, so serialization cannot fail.
    let body = json::to_vec(&problem).unwrap_or_default();
    Rendered { status: status(failure.kind), headers: headers(failure), body }
}

/// The headers of the response, without the content type.
pub(in crate::api) fn headers(failure: &Failure) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    if failure.kind == FailureKind::Unauthenticated {
        headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
    }
    // A tag has visible ASCII characters only.
    if let Some(tag) = failure.entity_tag.as_deref().and_then(|tag| HeaderValue::try_from(tag).ok()) {
        headers.push((header::ETAG, tag));
    }
    if let Some(seconds) = retry_after(failure) {
        headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    headers
}

/// Whole seconds, rounded up: a client that retries slightly early is refused again.
fn retry_after(failure: &Failure) -> Option<u64> {
    let waits =
        matches!(status(failure.kind), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let after = failure.retry_after.or_else(|| waits.then_some(Duration::from_secs(1)))?;
    Some(after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1))
}

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        let Self { status, headers, body } = self;
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        response.headers_mut().extend(headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_zero() {
        let after = |time| {
            let failure = Failure::new(FailureKind::UpstreamRateLimited, "x").with_retry_after(time);
            retry_after(&failure)
        };
        assert_eq!(after(None), Some(1));
        assert_eq!(after(Some(Duration::ZERO)), Some(1));
        assert_eq!(after(Some(Duration::from_millis(2_001))), Some(3));
        assert_eq!(retry_after(&Failure::new(FailureKind::ContactNotFound, "x")), None);
    }

    #[test]
    fn a_bug_shows_nothing_but_the_request_id() {
        let failure = Failure::internal("row 7 of secret table");
        let body = String::from_utf8(
            render(&failure, &ProblemContext::new("/x".parse().unwrap(), "r-1".into())).body,
        )
        .unwrap();
        assert!(!body.contains("secret table"), "{body}");
        assert!(body.contains("r-1"), "{body}");
    }
}
