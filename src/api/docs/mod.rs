//! The documentation: Swagger UI, the OpenAPI document, and a page for each problem.

mod errors;
mod remediation;

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, header};
use utoipa_swagger_ui::Config;

pub(super) use errors::{error, errors};

use super::extract::{NoParameters, Query};
use super::layers::DOCS_POLICY;
use super::openapi;
use crate::domain::{Failure, FailureKind, Result};

static DOCUMENT: LazyLock<String> = LazyLock::new(openapi::document);

/// The configuration of Swagger UI. The validator is off, because it is a service on another host.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(
        Config::from("/openapi.json")
            .persist_authorization(true)
            .try_it_out_enabled(true)
            .display_request_duration(true)
            .display_operation_id(false)
            .filter(true)
            .validator_url("none"),
    )
});

/// Redirects to the documentation.
pub(super) async fn home(_: Query<NoParameters>) -> Redirect {
    // The trailing slash is needed: the assets of the page are relative to it.
    Redirect::to("/docs/")
}

/// The OpenAPI document.
pub(super) async fn document(_: Query<NoParameters>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// The page of Swagger UI. Query parameters are left to Swagger UI.
pub(super) async fn index() -> Result<Response> {
    file("index.html")
}

/// An asset of Swagger UI.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response> {
    file(&name)
}

fn file(name: &str) -> Result<Response> {
    let found = utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG))
        .map_err(|error| Failure::internal(format!("an asset could not be served: {error}")))?
        .ok_or_else(|| Failure::new(FailureKind::RouteNotFound, "Unknown page."))?;
    let mut response =
        ([(header::CONTENT_TYPE, found.content_type)], found.bytes.into_owned()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, DOCS_POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(response)
}
