//! The frame that the guide and the error pages share.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, header};

use crate::api::layers::DOCS_POLICY;

/// The parts of the documentation, as the header names them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Guide,
    Errors,
}

/// A page; all fields but `title` are HTML.
pub(super) struct DocsPage<'a> {
    pub(super) section: Section,
    /// The way from the page to `/docs/`: empty, or `../` for a page one level deeper.
    pub(super) up: &'static str,
    pub(super) title: &'a str,
    /// The list of neighbouring pages.
    pub(super) side: String,
    pub(super) body: String,
}

impl DocsPage<'_> {
    pub(super) fn html(&self) -> String {
        let Self { section, up, title, side, body } = self;
        let title = escaped(title);
        let current = |other| if *section == other { " aria-current=\"page\"" } else { "" };
        let (guide, errors) = (current(Section::Guide), current(Section::Errors));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} · contacts-gateway</title>\n\
             <link rel=\"icon\" href=\"{up}assets/icon.svg\">\n<link rel=\"stylesheet\" href=\"{up}assets/pages.css\">\n\
             <script src=\"{up}assets/pages.js\" defer></script>\n</head>\n<body>\n<header class=\"top\">\n\
             <a class=\"name\" href=\"{up}./\"><img src=\"{up}assets/icon.svg\" alt=\"\"><span>contacts-gateway</span></a>\n\
             <nav><a href=\"{up}./\">Reference</a><a href=\"{up}guide/\"{guide}>Guide</a>\
             <a href=\"{up}errors\"{errors}>Errors</a></nav>\n</header>\n\
             <div class=\"columns\">\n<nav class=\"side\" id=\"pages\" aria-label=\"Pages\">\n{side}</nav>\n\
             <main class=\"text\">\n{body}</main>\n</div>\n</body>\n</html>\n"
        )
    }

    pub(super) fn respond(&self, status: StatusCode) -> Response {
        (status, [(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)], Html(self.html())).into_response()
    }
}

/// Whether the caller is a browser that opens a page, rather than a program.
pub(in crate::api) fn is_browser(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// `text` in HTML.
pub(in crate::api) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
