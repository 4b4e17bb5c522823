//! URLs of responses begin with the public URL, if one is configured.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use crate::config::PublicUrl;

/// Puts the public URL before the paths in `Location` and `Link`, and makes it available to the rendering of problems. A stored
/// `Location` is a path, so a replay gets the current URL; a stored problem keeps the `type` it was rendered with.
pub(in crate::api) async fn publish(
    State(public_url): State<PublicUrl>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(public_url.clone());
    let mut response = next.run(request).await;
    prefix(&mut response, header::LOCATION, "", &public_url);
    prefix(&mut response, header::LINK, "<", &public_url);
    response
}

/// Only a path from the root is changed: redirects of the pages are relative to the page.
fn prefix(response: &mut Response, name: HeaderName, opening: &str, public_url: &PublicUrl) {
    let path = response.headers().get(&name).and_then(|value| value.to_str().ok()?.strip_prefix(opening));
    let path = path.filter(|path| path.starts_with('/'));
    let url = path.and_then(|path| HeaderValue::try_from(format!("{opening}{}", public_url.of(path))).ok());
    if let Some(url) = url {
        response.headers_mut().insert(name, url);
    }
}
