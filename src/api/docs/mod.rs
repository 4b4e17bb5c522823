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

use axum::response::{Redirect, Response};
use http::{HeaderMap, header};

use assets::LargeFile;
pub(super) use assets::{asset, reference};
pub(super) use errors::badge;
pub(super) use errors::{error, errors};
pub(super) use guide::{guide, guide_home, guide_page};
pub(super) use page::escaped;

use super::extract::{NoParameters, Query};

static DOCUMENT: LazyLock<LargeFile> = LazyLock::new(LargeFile::of_document);

/// Redirects to the reference.
pub(super) async fn home(_: Query<NoParameters>) -> Redirect {
    // The trailing slash is needed: the links of the page are relative to it.
    Redirect::to("docs/")
}

/// The OpenAPI document. Unlike the assets it is not kept by browsers, so that it is always that of this version.
pub(super) async fn document(headers: HeaderMap, _: Query<NoParameters>) -> Response {
    let mut response = DOCUMENT.sent("application/json", &headers);
    response.headers_mut().remove(header::CACHE_CONTROL);
    response
}
