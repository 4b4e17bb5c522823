//! CORS: pages of allowed origins may call the API of tenants. Without an allowed origin this layer does not exist.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, header};
use tower::{Layer, ServiceExt};
use tower_http::cors::CorsLayer;

use crate::config::CorsOrigins;

/// The first part of each path that pages may call. The operator's paths are not among them.
const SHARED_PATHS: [&str; 4] = ["crm", "credentials", "providers", "openapi.json"];
/// How long browsers keep the response to a preflight; Chrome keeps it no longer.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(2);

/// The headers that a caller may send.
const ALLOWED_HEADERS: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("priority"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-request-timeout-ms"),
];
/// The headers of responses that a page may read.
const EXPOSED_HEADERS: [HeaderName; 8] = [
    header::ALLOW,
    header::ETAG,
    header::LINK,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("x-request-id"),
];

/// The layer for these origins; `None` if there are none. Cookies are not used, so credentials mode is off.
pub(in crate::api) fn cors_layer(origins: &CorsOrigins) -> Option<CorsLayer> {
    let layer = || {
        let origins: Vec<_> =
            origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(ALLOWED_HEADERS)
            .expose_headers(EXPOSED_HEADERS)
            .max_age(PREFLIGHT_MAX_AGE)
    };
    (!origins.is_empty()).then(layer)
}

/// Answers preflights without authentication, and adds the headers to all other responses, failures too.
pub(in crate::api) async fn apply_cors(
    State(layer): State<CorsLayer>,
    request: Request,
    next: Next,
) -> Response {
    let first = request.uri().path().split('/').nth(1).unwrap_or_default();
    let is_other_options = request.method() == Method::OPTIONS
        && !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !SHARED_PATHS.contains(&first) || is_other_options {
        return next.run(request).await;
    }
    let Ok(response) = layer.layer(next).oneshot(request).await;
    response
}
