//! The request id: the one of the caller if it is well formed, otherwise a generated one. Every response has it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::Text;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The request id, as an extension of the request.
#[derive(Clone)]
pub(in crate::api) struct RequestId(pub(in crate::api) Text);

/// Sets the id of the request and of the response.
pub(in crate::api) async fn identify(mut request: Request, next: Next) -> Response {
    let id = accepted(request.headers()).unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let header = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(Text::from(id)));
    let mut response = next.run(request).await;
    if let Ok(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    response
}

/// The id of the caller: one header of 1 to 128 characters that are safe in logs and shells.
fn accepted(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(HEADER).iter();
    let (first, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    ((1..=128).contains(&first.len()) && first.bytes().all(plain)).then(|| first.to_owned())
}
