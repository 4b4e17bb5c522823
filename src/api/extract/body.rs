//! A JSON body: limited in size and time, parsed strictly, and then read so that all faults are reported.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::time::Instant;

use axum::extract::{FromRequest, Request};
use bytestring::ByteString;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::api::request::FieldReader;
use crate::blocking;
use crate::domain::{Failure, FailureKind, RequestRecord, Result, TenantId};
use crate::json;

/// The largest body: 1 MiB.
const LIMIT: usize = 1024 * 1024;
/// The time in which a body must arrive, so that a slow sender holds no resources for longer.
const TIME: Duration = Duration::from_secs(10);

/// A type that can be read from a body.
pub(in crate::api) trait FromBody: Sized + Send {
    /// Reads the fields of the object. Faults are reported to `reader`; if the result is `None`, there is at least one.
    fn from_body(reader: &mut FieldReader<'_>, members: &json::Members<'_>) -> Option<Self>;
}

/// The body as a `T`. It is a handler's last argument, so that it is read only after all other checks.
pub(in crate::api) struct JsonBody<T>(pub(in crate::api) T);

impl<T: FromBody, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        read(request).await.map(|(body, _)| Self(body))
    }
}

/// Reads the body as a `T`, and returns its text too.
pub(super) async fn read<T: FromBody>(request: Request) -> Result<(T, ByteString)> {
    check_media_type(request.headers())?;
    let deadline = deadline(&request)?;
    let tenant: Option<TenantId> = request.extensions().get().cloned();
    let body = bytes(request).await?;
    blocking::until(deadline, tenant.as_ref(), body.len(), || parsed(body)).await?
}

/// The deadline of the request.
pub(super) fn deadline(request: &Request) -> Result<Instant> {
    super::context::time(request.headers(), request.method()).map(|time| crate::clock::monotonic() + time)
}

fn parsed<T: FromBody>(body: bytes::Bytes) -> Result<(T, ByteString)> {
    let whole = ByteString::try_from(body).map_err(|_| malformed("The body is not UTF-8."))?;
    if whole.trim().is_empty() {
        return Err(malformed("The body is empty; send a JSON object."));
    }
    json::check(&whole, json::REQUEST).map_err(|fault| {
        let advice = if fault.is_depth() { "; send only the fields that change" } else { "" };
        malformed(format!("{}{advice}", fault.reason()))
    })?;
    Ok((FieldReader::read(&whole)?, whole))
}

async fn bytes(request: Request) -> Result<bytes::Bytes> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    // Refused by its declared length, so that a client that waits for `100 Continue` does not send it.
    if declared.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > LIMIT) {
        return Err(too_large());
    }
    let time = super::context::time(request.headers(), request.method())?.min(TIME);
    let record = request.extensions().get::<RequestRecord>().cloned().unwrap_or_default();
    let body = Limited::new(request.into_body(), LIMIT);
    match tokio::time::timeout(time, body.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            if is_broken_off(&*error) {
                record.note_caller_left();
            }
            Err(malformed("The body did not arrive completely."))
        }
        Err(_) => Err(malformed(format!("The body did not arrive within {} ms.", time.as_millis()))),
    }
}

/// Whether the connection ended before the body did.
fn is_broken_off(error: &(dyn Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    let mut kinds = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.any(|kind| {
        matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
    })
}

fn check_media_type(headers: &HeaderMap) -> Result<()> {
    let wrong = |detail: &str| Err(Failure::new(FailureKind::UnsupportedMediaType, detail));
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return wrong("Send the body uncompressed, without `Content-Encoding`.");
    }
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    let json = media_type == "application/json"
        || media_type.strip_prefix("application/").is_some_and(|rest| rest.ends_with("+json"));
    if !json {
        return wrong("Send JSON, with `Content-Type: application/json`.");
    }
    match parts.find_map(|part| part.strip_prefix("charset=").map(|set| set.trim_matches('"').to_owned())) {
        Some(set) if set != "utf-8" && set != "utf8" => wrong("Send JSON in UTF-8."),
        _ => Ok(()),
    }
}

fn too_large() -> Failure {
    let detail = format!("A body is limited to {LIMIT} bytes; send only the fields that change.");
    Failure::new(FailureKind::BodyTooLarge, detail)
}

fn malformed(detail: impl Into<crate::domain::Text>) -> Failure {
    Failure::new(FailureKind::MalformedRequest, detail)
}
