//! The page of the reference, and the stylesheets, scripts and pictures of all pages.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use utoipa_swagger_ui::Config;

use crate::api::layers::DOCS_POLICY;
use crate::domain::{Failure, FailureKind, Result};

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The page of the reference. Query parameters are left to Swagger UI.
pub(in crate::api) async fn reference() -> Response {
    sent("text/html; charset=utf-8", include_bytes!("assets/reference.html").into())
}

/// A stylesheet, script or picture.
pub(in crate::api) async fn asset(Path(name): Path<String>) -> Result<Response> {
    let (media_type, bytes): (_, Cow<'static, [u8]>) = match name.as_str() {
        "pages.css" => (CSS, include_bytes!("assets/pages.css").into()),
        "pages.js" => (SCRIPT, include_bytes!("assets/pages.js").into()),
        "reference.css" => (CSS, include_bytes!("assets/reference.css").into()),
        "reference.js" => (SCRIPT, include_bytes!("assets/reference.js").into()),
        "flow-light.svg" => (SVG, include_bytes!("assets/flow-light.svg").into()),
        "flow-dark.svg" => (SVG, include_bytes!("assets/flow-dark.svg").into()),
        "icon.svg" => (SVG, include_bytes!("assets/icon.svg").into()),
        "swagger-ui.css" => (CSS, swagger_ui(&name)?),
        "swagger-ui-bundle.js" => (SCRIPT, swagger_ui(&name)?),
        _ => return Err(Failure::new(FailureKind::RouteNotFound, "Unknown page.")),
    };
    Ok(sent(media_type, bytes))
}

/// A file of Swagger UI. Its own page and initializer are not used.
fn swagger_ui(name: &str) -> Result<Cow<'static, [u8]>> {
    let found = utoipa_swagger_ui::serve(name, Arc::new(Config::from("")));
    let file = found.map_err(|error| Failure::internal(format!("an asset could not be served: {error}")))?;
    let file = file.ok_or_else(|| Failure::internal(format!("Swagger UI has no {name}")))?;
    Ok(file.bytes)
}

fn sent(media_type: &'static str, bytes: Cow<'static, [u8]>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, DOCS_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, bytes.into_owned()).into_response()
}
