//! The context of every call: the deadline that the caller sets, and the request id.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::api::admission::AdmissionPermit;
use crate::api::layers::RequestId;
use crate::domain::{CallContext, Failure, Result, Text};

/// The header that sets the deadline, in milliseconds.
const DEADLINE_HEADER: &str = "x-request-timeout-ms";
/// The range of valid deadlines.
pub(in crate::api) const DEADLINE_MILLIS: std::ops::RangeInclusive<u64> = 100..=30_000;

const READ: Duration = Duration::from_secs(15);
const WRITE: Duration = Duration::from_secs(30);

/// The call context of the request.
pub(in crate::api) struct Context(pub(in crate::api) CallContext);

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let id = request_id(parts).unwrap_or(Text::from_static(""));
        let admission = parts.extensions.get().map(AdmissionPermit::admission).unwrap_or_default();
        let tenant = parts.extensions.get().cloned();
        let context = CallContext::within(time(&parts.headers, &parts.method)?, id);
        Ok(Self(CallContext { admission, tenant, ..context }))
    }
}

/// The request id.
pub(super) fn request_id(parts: &Parts) -> Option<Text> {
    parts.extensions.get::<RequestId>().map(|id| id.0.clone())
}

/// The time that the request may take.
pub(super) fn time(headers: &HeaderMap, method: &Method) -> Result<Duration> {
    let mut values = headers.get_all(DEADLINE_HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) if method.is_safe() => Ok(READ),
        (None, _) => Ok(WRITE),
        (Some(value), None) => value
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|millis| DEADLINE_MILLIS.contains(millis))
            .map(Duration::from_millis)
            .ok_or_else(|| {
                let (least, most) = (DEADLINE_MILLIS.start(), DEADLINE_MILLIS.end());
                refused(format!("Must be a whole number of milliseconds from {least} to {most}."))
            }),
        (Some(_), Some(_)) => Err(refused("Must not be repeated.")),
    }
}

fn refused(detail: impl Into<Text>) -> Failure {
    Failure::parameter("X-Request-Timeout-Ms", detail)
}
