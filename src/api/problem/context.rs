//! The request that a problem is about.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{Extensions, Uri};

use crate::api::layers::RequestId;
use crate::config::PublicUrl;
use crate::domain::Text;

/// The request that a problem is about.
#[derive(Clone)]
pub struct ProblemContext {
    uri: Uri,
    pub(in crate::api) request_id: Text,
    public_url: Option<PublicUrl>,
}

impl ProblemContext {
    #[cfg(test)]
    pub(in crate::api) const fn new(uri: Uri, request_id: Text) -> Self {
        Self { uri, request_id, public_url: None }
    }

    /// The request to `uri`, with the extensions that the layers have set.
    pub(in crate::api) fn of(uri: &Uri, extensions: &Extensions) -> Self {
        Self {
            uri: uri.clone(),
            request_id: extensions.get::<RequestId>().map_or(Text::from_static(""), |id| id.0.clone()),
            public_url: extensions.get().cloned(),
        }
    }

    /// The path without aliases and without the query.
    pub(in crate::api) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The URL of the page about `code`; without a public URL, its path.
    pub(super) fn page(&self, code: &str) -> String {
        let path = format!("/docs/errors/{code}");
        match &self.public_url {
            Some(public_url) => public_url.of(&path),
            None => path,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ProblemContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri, &parts.extensions))
    }
}
