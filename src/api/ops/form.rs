//! The body of a form: small, and read within a few seconds.

use std::time::Duration;

use axum::body::Body;
use http::header;
use http::request::Parts;
use http_body_util::{BodyExt, Limited};

use crate::api::extract::pairs;
use crate::domain::{Failure, FailureKind, Result};

const MOST_BYTES: usize = 16 * 1024;
const READ_WITHIN: Duration = Duration::from_secs(10);

/// The fields of a form.
pub(super) struct FormFields(Vec<(String, Option<String>)>);

impl FormFields {
    /// The value of a field; empty if it is missing.
    pub(super) fn field(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.as_deref()).unwrap_or_default()
    }
}

/// Reads the form. Fails with `unsupported_media_type`, `body_too_large`, `malformed_request`.
pub(super) async fn read(parts: &Parts, body: Body) -> Result<FormFields> {
    let media_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if media_type.is_none_or(|value| !value.starts_with("application/x-www-form-urlencoded")) {
        return Err(Failure::new(FailureKind::UnsupportedMediaType, "Use the form of the operator page."));
    }
    let malformed = || Failure::new(FailureKind::MalformedRequest, "The form did not arrive completely.");
    let read = tokio::time::timeout(READ_WITHIN, Limited::new(body, MOST_BYTES).collect()).await;
    match read.map_err(|_| malformed())? {
        Ok(body) => {
            let bytes = body.to_bytes();
            std::str::from_utf8(&bytes).map(|text| FormFields(pairs(text))).map_err(|_| malformed())
        }
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Failure::new(FailureKind::BodyTooLarge, "The form is too large."))
        }
        Err(_) => Err(malformed()),
    }
}
