//! Answers in JSON, written from borrowed values.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::domain::{Failure, Result};

/// 200 with `body`.
pub(super) fn ok(body: &impl Serialize) -> Result<Response> {
    json(StatusCode::OK, body)
}

/// 201 with `body`.
pub(super) fn created(body: &impl Serialize) -> Result<Response> {
    json(StatusCode::CREATED, body)
}

/// 204.
pub(super) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// The answer with the place of what was made; `parts` stand between slashes, percent-encoded.
pub(super) fn located(mut answer: Response, parts: &[&str], query: Option<(&str, &str)>) -> Response {
    let mut place = String::new();
    for part in parts {
        place.push('/');
        place.push_str(&percent_encoded(part));
    }
    if let Some((name, value)) = query {
        place = format!("{place}?{name}={}", percent_encoded(value));
    }
    if let Ok(place) = HeaderValue::try_from(place) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    answer
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let text = serde_json::to_vec(body)
        .map_err(|error| Failure::internal(format!("an answer could not be written: {error}")))?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// Everything but RFC 3986's unreserved characters as `%XX`.
fn percent_encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_any_credential_id() {
        let answer = located(no_content(), &["crm", "contacts", "con_1"], Some(("credentialId", "a b&ü/?")));
        assert_eq!(
            answer.headers()[header::LOCATION],
            "/crm/contacts/con_1?credentialId=a%20b%26%C3%BC%2F%3F"
        );
    }
}
