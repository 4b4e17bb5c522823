//! Answers in JSON, written from borrowed values.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::extract::Keyed;
use super::problem::{MEDIA_TYPE, Rendered, render};
use crate::domain::{Failure, Result};
use crate::gateway::idempotency::Answer;

const CONTENT_TYPE: &str = "content-type";
const LOCATION: &str = "location";
/// Tells that a recorded answer is given again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

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

/// The answer of a write: what is recorded under its key, if it has one, is what is answered.
pub(super) fn written(status: StatusCode, body: &impl Serialize, location: Option<String>) -> Result<Answer> {
    let mut headers = vec![(CONTENT_TYPE.into(), "application/json".into())];
    headers.extend(location.map(|place| (LOCATION.into(), place.into())));
    Ok(Answer { status: status.as_u16(), headers, body: text(body)?, replayed: false })
}

/// A refusal of the CRM's that a write ends with, under the path and id of its request.
pub(super) fn refused(failure: &Failure, keyed: &Keyed) -> Answer {
    let Rendered { status, headers, body } = render(failure, &keyed.path, &keyed.request_id);
    let others =
        headers.iter().filter_map(|(name, value)| Some((name.as_str().into(), value.to_str().ok()?.into())));
    let headers = std::iter::once((CONTENT_TYPE.into(), MEDIA_TYPE.into())).chain(others).collect();
    Answer { status: status.as_u16(), headers, body, replayed: false }
}

/// The recorded or recordable answer as a response.
pub(super) fn respond(answer: Answer) -> Response {
    let Answer { status, headers, body, replayed } = answer;
    let mut response = body.into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
        {
            response.headers_mut().insert(name, value);
        }
    }
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The answer with the place of what was made.
pub(super) fn located(mut answer: Response, place: String) -> Response {
    if let Ok(place) = HeaderValue::try_from(place) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    answer
}

/// A place for `Location`; `parts` stand between slashes, percent-encoded.
pub(super) fn place(parts: &[&str], query: Option<(&str, &str)>) -> String {
    let mut place = String::new();
    for part in parts {
        place.push('/');
        place.push_str(&percent_encoded(part));
    }
    if let Some((name, value)) = query {
        place = format!("{place}?{name}={}", percent_encoded(value));
    }
    place
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    Ok((status, [(header::CONTENT_TYPE, "application/json")], text(body)?).into_response())
}

fn text(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body)
        .map_err(|error| Failure::internal(format!("an answer could not be written: {error}")))
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
        let place = place(&["crm", "contacts", "con_1"], Some(("credentialId", "a b&ü/?")));
        assert_eq!(place, "/crm/contacts/con_1?credentialId=a%20b%26%C3%BC%2F%3F");
    }
}
