//! JSON responses, serialized from borrowed values.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use serde::Serialize;

use super::extract::IdempotencyKey;
use super::problem::{MEDIA_TYPE, Rendered, render};
use crate::blocking;
use crate::domain::{CallContext, Caller, Candidates, Failure, FailureKind, Faults, Result};
use crate::gateway::Gateway;
use crate::gateway::writes::StoredResponse;
use crate::json;
use crate::upstream::UNCOUNTED;

/// The largest response of a read.
const LARGEST_READ: usize = 8 * 1024 * 1024;
/// The largest response of a write, which is stored for replays.
const LARGEST_WRITE: usize = 64 * 1024;
const CONTENT_TYPE: &str = "content-type";
const LOCATION: &str = "location";
/// Set on a stored response that is returned again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// 200 with `body`.
pub(super) fn ok(body: &impl Serialize) -> Result<Response> {
    json(StatusCode::OK, body)
}

/// 200 with the contacts in `body`, rendered from about `size` bytes. A large response counts as bytes in flight until it is
/// written. Fails with `upstream_response_too_large`, `overloaded`.
pub(super) async fn contacts(
    gateway: &Gateway,
    caller: &Caller,
    context: &CallContext,
    size: usize,
    body: &(impl Serialize + Sync),
) -> Result<Response> {
    contacts_or(gateway, caller, context, size, body, "Use a smaller `pageSize`.").await
}

/// The same; `smaller` is the advice for a response that is too large.
pub(super) async fn contacts_or(
    gateway: &Gateway,
    caller: &Caller,
    context: &CallContext,
    size: usize,
    body: &(impl Serialize + Sync),
    smaller: &str,
) -> Result<Response> {
    let render = |most| blocking::within(context, size, move || within(body, most));
    if let Some(small) = render(UNCOUNTED).await?? {
        return Ok(shown(StatusCode::OK, small.into()));
    }
    let room = gateway.bytes.responses.room(&caller.tenant, LARGEST_READ, context.deadline).await;
    let room = room.ok_or_else(|| {
        let detail = format!(
            "The response is large, and too many bytes of responses are in memory. Try again. {smaller}"
        );
        Failure::new(FailureKind::Overloaded, detail)
    })?;
    let large = render(LARGEST_READ).await??.ok_or_else(|| {
        let detail = format!("The response is larger than {} MiB. {smaller}", LARGEST_READ >> 20);
        Failure::new(FailureKind::UpstreamResponseTooLarge, detail)
    })?;
    Ok(shown(StatusCode::OK, room.holding(large.into())))
}

/// 201 with `body`.
pub(super) fn created(body: &impl Serialize) -> Result<Response> {
    json(StatusCode::CREATED, body)
}

/// 204.
pub(super) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// The response of a write. It is also what is stored under the idempotency key, if there is one.
pub(super) fn written(
    status: StatusCode,
    body: &impl Serialize,
    location: Option<String>,
) -> Result<StoredResponse> {
    Ok(stored(status, text(body)?, location))
}

/// The same for a write of a contact; `None` if the response would be too large.
pub(super) fn written_within(
    status: StatusCode,
    body: &impl Serialize,
    location: Option<String>,
) -> Result<Option<StoredResponse>> {
    let body = within(body, LARGEST_WRITE)?;
    Ok(body.map(|body| stored(status, body, location)))
}

/// The failure that ends a write, rendered for its request.
pub(super) fn refused(failure: &Failure, keyed: &IdempotencyKey) -> StoredResponse {
    let mut rendered = render(failure, &keyed.occurrence);
    if rendered.body.len() > LARGEST_WRITE {
        let short = Failure { faults: Faults::new(), candidates: Candidates::new(), ..failure.clone() };
        rendered = render(&short, &keyed.occurrence);
    }
    let Rendered { status, headers, body } = rendered;
    let others =
        headers.iter().filter_map(|(name, value)| Some((name.as_str().into(), value.to_str().ok()?.into())));
    let headers = std::iter::once((CONTENT_TYPE.into(), MEDIA_TYPE.into())).chain(others).collect();
    StoredResponse { status: status.as_u16(), headers, body, replayed: false }
}

/// Converts a stored response to an HTTP response.
pub(super) fn respond(stored: StoredResponse) -> Response {
    let StoredResponse { status, headers, body, replayed } = stored;
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

/// Adds the `Location` of the created resource.
pub(super) fn located(mut response: Response, location: String) -> Response {
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Adds the entity tag of the contact.
pub(super) fn tagged(mut response: Response, tag: Option<&str>) -> Response {
    if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Adds the `Link` to the next page: the same URL with this cursor.
pub(super) fn with_next(mut response: Response, uri: &Uri, cursor: &str) -> Response {
    let of_page = |pair: &&str| {
        let name = url::form_urlencoded::parse(pair.as_bytes()).next();
        name.is_some_and(|(name, _)| name == "cursor" || name == "pageNumber")
    };
    let query = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !of_page(pair));
    let cursor = format!("cursor={}", percent_encoded(cursor));
    let query: Vec<&str> = query.chain([cursor.as_str()]).collect();
    let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"));
    if let Ok(link) = HeaderValue::try_from(link) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// A value for `Location`. `parts` are percent-encoded and joined with slashes.
pub(super) fn location(parts: &[&str], query: Option<(&str, &str)>) -> String {
    let mut location = String::new();
    for part in parts {
        location.push('/');
        location.push_str(&percent_encoded(part));
    }
    if let Some((name, value)) = query {
        location = format!("{location}?{name}={}", percent_encoded(value));
    }
    location
}

fn stored(status: StatusCode, body: Vec<u8>, location: Option<String>) -> StoredResponse {
    let mut headers = vec![(CONTENT_TYPE.into(), "application/json".into())];
    headers.extend(location.map(|location| (LOCATION.into(), location.into())));
    StoredResponse { status: status.as_u16(), headers, body, replayed: false }
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    Ok(shown(status, text(body)?.into()))
}

fn shown(status: StatusCode, body: Bytes) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn within(body: &impl Serialize, most: usize) -> Result<Option<Vec<u8>>> {
    json::within(body, most).map_err(|error| unwritten(&error))
}

fn text(body: &impl Serialize) -> Result<Vec<u8>> {
    json::to_vec(body).map_err(|error| unwritten(&error))
}

fn unwritten(error: &json::WriteError) -> Failure {
    Failure::internal(format!("a response could not be serialized: {error}"))
}

/// Percent-encodes everything except RFC 3986's unreserved characters.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // A String takes any text.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_next_page_of_the_same_list() {
        let link = |uri: &str| {
            let response = with_next(Response::default(), &Uri::try_from(uri).unwrap(), "a_b-c");
            response.headers()["link"].to_str().unwrap().to_owned()
        };
        let first = "/crm/contacts?credentialId=c%26d&pageNumber=1&page%4eumber=2&pageSize=7&lastName=a+b";
        let next = "</crm/contacts?credentialId=c%26d&pageSize=7&lastName=a+b&cursor=a_b-c>; rel=\"next\"";
        assert_eq!(link(first), next);
        assert_eq!(link("/crm/contacts?cursor=old"), "</crm/contacts?cursor=a_b-c>; rel=\"next\"");
    }

    #[test]
    fn a_location_survives_any_credential_id() {
        let location = location(&["crm", "contacts", "con_1"], Some(("credentialId", "a b&ü/?")));
        assert_eq!(location, "/crm/contacts/con_1?credentialId=a%20b%26%C3%BC%2F%3F");
    }
}
