//! The page of the reference, and the stylesheets, scripts and pictures of all pages.

use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use utoipa_swagger_ui::Config;

use crate::api::layers::DOCS_POLICY;
use crate::api::openapi;
use crate::config::PublicUrl;
use crate::domain::{Failure, FailureKind, Result};

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const PNG: &str = "image/png";

/// The page of the reference. Query parameters are left to Swagger UI.
pub(in crate::api) async fn reference() -> Response {
    sent("text/html; charset=utf-8", include_bytes!("assets/reference.html").as_slice())
}

/// A stylesheet, script or picture.
pub(in crate::api) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response> {
    static STYLES: LazyLock<LargeFile> = LazyLock::new(|| LargeFile::of_swagger_ui("swagger-ui.css"));
    static BUNDLE: LazyLock<LargeFile> = LazyLock::new(|| LargeFile::of_swagger_ui("swagger-ui-bundle.js"));
    Ok(match name.as_str() {
        "pages.css" => sent(CSS, include_bytes!("assets/pages.css").as_slice()),
        "ops.css" => sent(CSS, include_bytes!("assets/ops.css").as_slice()),
        "ops-light.png" => sent(PNG, include_bytes!("assets/ops-light.png").as_slice()),
        "ops-dark.png" => sent(PNG, include_bytes!("assets/ops-dark.png").as_slice()),
        "pages.js" => sent(SCRIPT, include_bytes!("assets/pages.js").as_slice()),
        "reference.css" => sent(CSS, include_bytes!("assets/reference.css").as_slice()),
        "reference.js" => sent(SCRIPT, include_bytes!("assets/reference.js").as_slice()),
        "flow-light.svg" => sent(SVG, include_bytes!("assets/flow-light.svg").as_slice()),
        "flow-dark.svg" => sent(SVG, include_bytes!("assets/flow-dark.svg").as_slice()),
        "flow-phone-light.svg" => sent(SVG, include_bytes!("assets/flow-phone-light.svg").as_slice()),
        "flow-phone-dark.svg" => sent(SVG, include_bytes!("assets/flow-phone-dark.svg").as_slice()),
        "icon.svg" => sent(SVG, include_bytes!("assets/icon.svg").as_slice()),
        "swagger-ui.css" => STYLES.sent(CSS, &headers),
        "swagger-ui-bundle.js" => BUNDLE.sent(SCRIPT, &headers),
        _ => return Err(Failure::new(FailureKind::RouteNotFound, "Unknown page.")),
    })
}

fn sent(media_type: &'static str, bytes: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, DOCS_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, bytes.into()).into_response()
}

/// A file of hundreds of kilobytes, compressed when it is first asked for.
pub(super) struct LargeFile {
    plain: Bytes,
    gzipped: Bytes,
}

impl LargeFile {
    fn new(plain: Bytes) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to a vector does not fail.
        let written = encoder.write_all(&plain).and_then(|()| encoder.finish());
        Self { plain, gzipped: written.unwrap_or_default().into() }
    }

    /// The OpenAPI document.
    pub(super) fn of_document() -> Self {
        Self::new(openapi::document().into())
    }

    /// The same of a gateway with a public URL.
    pub(super) fn of_public_document(url: &PublicUrl) -> Self {
        Self::new(openapi::public_document(url).into())
    }

    /// A file of Swagger UI, whose page and initializer are not used. A test asks for each.
    fn of_swagger_ui(name: &str) -> Self {
        let found = utoipa_swagger_ui::serve(name, Arc::new(Config::from("")));
        Self::new(found.ok().flatten().map_or_else(Bytes::new, |file| Bytes::from_owner(file.bytes)))
    }

    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// The file, compressed for those who accept it.
    pub(super) fn sent(&self, media_type: &'static str, headers: &HeaderMap) -> Response {
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let is_gzipped = accepted.is_some_and(|accepted| accepted.contains("gzip"));
        let mut response =
            sent(media_type, if is_gzipped { self.gzipped.clone() } else { self.plain.clone() });
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if is_gzipped {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}
