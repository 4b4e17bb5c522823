//! The context of every call: the deadline and the priority that the caller sets, and the request id.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::api::admission::AdmissionPermit;
use crate::api::layers::RequestId;
use crate::domain::{CallContext, Failure, Priority, RequestRecord, Result, Text};

/// The header that sets the deadline, in milliseconds.
const DEADLINE_HEADER: &str = "x-request-timeout-ms";
/// The range of valid deadlines.
pub(in crate::api) const DEADLINE_MILLIS: std::ops::RangeInclusive<u64> = 100..=30_000;

/// The urgency of RFC 9218 from which a request is a background job.
const BACKGROUND_URGENCY: u8 = 4;

const READ: Duration = Duration::from_secs(15);
const WRITE: Duration = Duration::from_secs(30);

/// The call context of the request.
pub(in crate::api) struct Context(pub(in crate::api) CallContext);

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let id = request_id(parts).unwrap_or(Text::from_static(""));
        let permits = parts.extensions.get().map(AdmissionPermit::of_call).unwrap_or_default();
        let tenant = parts.extensions.get().cloned();
        let context = CallContext::within(time(&parts.headers, &parts.method)?, id);
        let (record, priority) = (request_record(parts), priority(&parts.headers));
        Ok(Self(CallContext { priority, permits, tenant, record, ..context }))
    }
}

/// The request id.
pub(in crate::api) fn request_id(parts: &Parts) -> Option<Text> {
    parts.extensions.get::<RequestId>().map(|id| id.0.clone())
}

/// The record of the request.
pub(in crate::api) fn request_record(parts: &Parts) -> RequestRecord {
    parts.extensions.get::<RequestRecord>().cloned().unwrap_or_default()
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

/// The priority of the request: `Priority: u=5` (RFC 9218) makes it a background job. As the RFC says, a malformed value is ignored.
fn priority(headers: &HeaderMap) -> Priority {
    let values = headers.get_all("priority").iter().filter_map(|value| value.to_str().ok());
    let parameters = values.flat_map(|value| value.split(','));
    let mut urgencies =
        parameters.filter_map(|parameter| match parameter.trim().strip_prefix("u=")?.as_bytes() {
            [digit @ b'0'..=b'7'] => Some(digit - b'0'),
            _ => None,
        });
    match urgencies.next_back() {
        Some(BACKGROUND_URGENCY..) => Priority::Bulk,
        _ => Priority::Interactive,
    }
}

fn refused(detail: impl Into<Text>) -> Failure {
    Failure::parameter("X-Request-Timeout-Ms", detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_low_urgency_makes_a_background_job() {
        for (values, expected) in [
            (&[][..], Priority::Interactive),
            (&["u=3"], Priority::Interactive),
            (&["u=4"], Priority::Bulk),
            (&["i, u=7"], Priority::Bulk),
            (&["u=5, i"], Priority::Bulk),
            (&["u=5, u=1"], Priority::Interactive),
            (&["u=0", "u=6"], Priority::Bulk),
            (&["u=8", "u=-1", "u=55", "u", "low", "U=5"], Priority::Interactive),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("priority", HeaderValue::from_static(value));
            }
            assert_eq!(priority(&headers), expected, "{values:?}");
        }
    }
}
