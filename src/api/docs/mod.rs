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

use std::sync::{Arc, LazyLock};

use axum::response::Redirect;
use axum::routing::{MethodRouter, get};
use http::{HeaderMap, header};

use assets::LargeFile;
pub(super) use assets::{asset, reference};
pub(super) use errors::badge;
pub(super) use errors::{error, errors};
pub(super) use guide::{guide, guide_home, guide_page};
pub(super) use page::{escaped, is_browser};

use super::AppState;
use super::extract::{NoParameters, Query};
use crate::config::PublicUrl;

static DOCUMENT: LazyLock<LargeFile> = LazyLock::new(LargeFile::of_document);

/// Redirects to the reference.
pub(super) async fn home(_: Query<NoParameters>) -> Redirect {
    // The trailing slash is needed: the links of the page are relative to it.
    Redirect::to("docs/")
}

/// The OpenAPI document. Unlike the assets it is not kept by browsers, so that it is always that of this version.
pub(super) fn document(public_url: Option<PublicUrl>) -> MethodRouter<AppState> {
    let public = public_url.map(|url| Arc::new(LazyLock::new(move || LargeFile::of_public_document(&url))));
    get(async move |headers: HeaderMap, _: Query<NoParameters>| {
        let document: &LargeFile = public.as_deref().map_or(&DOCUMENT, |public| public);
        let mut response = document.sent("application/json", &headers);
        response.headers_mut().remove(header::CACHE_CONTROL);
        response
    })
}
