//! The documentation, all of it from the binary: the reference (Swagger UI), the OpenAPI document, the guide, and a page for each
//! problem.
//! Every link is relative, so that a proxy may serve the pages under a path prefix.

mod assets;
mod errors;
mod guide;
mod handling;
mod markdown;
mod page;
mod remediation;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Redirect, Response};
use http::header;

pub(super) use assets::{asset, reference};
pub(super) use errors::{error, errors};
pub(super) use guide::{guide, guide_home, guide_page};

use super::extract::{NoParameters, Query};
use super::openapi;

static DOCUMENT: LazyLock<String> = LazyLock::new(openapi::document);

/// Redirects to the reference.
pub(super) async fn home(_: Query<NoParameters>) -> Redirect {
    // The trailing slash is needed: the links of the page are relative to it.
    Redirect::to("docs/")
}

/// The OpenAPI document.
pub(super) async fn document(_: Query<NoParameters>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
