//! `/docs/guide`: the guide, Markdown files beside this one and the page of each CRM, rendered once.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, header};

use super::markdown::{self, MarkdownText};
use super::page::{DocsPage, Section, is_browser};
use crate::adapters::ADAPTERS;
use crate::api::layers::DOCS_POLICY;
use crate::domain::{Failure, FailureKind, Result};

/// Pages by their slugs, with their text.
macro_rules! pages {
    ($($slug:literal),*) => { &[$(($slug, include_str!(concat!("guide/", $slug, ".md")))),*] };
}

/// The pages by part, in the order in which they are listed. The last part has the page of each CRM too.
const PARTS: &[(&str, &[(&str, &str)])] = &[
    ("Start", pages!["index", "quickstart", "connect-aptly", "connect-tether", "migrate"]),
    (
        "Contacts",
        pages!["read", "filters", "search", "write", "edit-safely", "idempotent-writes", "import-export"],
    ),
    ("Failures", pages!["errors", "limits", "test-failures"]),
    (
        "Operate",
        pages!["deploy", "access", "configuration", "operating", "operator-page", "security", "changelog"],
    ),
    ("Fields of the CRMs", pages!["fields"]),
];

/// A page of the guide.
struct GuidePage {
    part: &'static str,
    slug: &'static str,
    text: MarkdownText,
}

static PAGES: LazyLock<Vec<GuidePage>> = LazyLock::new(|| {
    let last = PARTS.last().map_or("", |(part, _)| part);
    let written =
        PARTS.iter().flat_map(|(part, pages)| pages.iter().map(|(slug, text)| (*part, *slug, *text)));
    let of_crms = ADAPTERS.iter().map(|spec| (last, spec.provider.as_str(), spec.docs));
    let page = |(part, slug, text)| GuidePage { part, slug, text: markdown::render(text) };
    written.chain(of_crms).map(page).collect()
});

/// Each page by its slug, as it is sent.
static RENDERED: LazyLock<Vec<(&str, String)>> =
    LazyLock::new(|| PAGES.iter().map(|page| (page.slug, page.html())).collect());

impl GuidePage {
    /// The address relative to the other pages.
    fn address(&self) -> &'static str {
        if self.slug == "index" { "./" } else { self.slug }
    }

    fn html(&self) -> String {
        let body = format!("{}<article>\n{}</article>\n{}", self.contents(), self.text.html, self.next());
        DocsPage { section: Section::Guide, up: "../", title: &self.text.title, side: self.side(), body }
            .html()
    }

    /// The list of all pages, with the headings of this one.
    fn side(&self) -> String {
        let (mut side, mut part) = (String::new(), "");
        for page in PAGES.iter() {
            if page.part != part {
                part = page.part;
                let close = if side.is_empty() { "" } else { "</ul>\n" };
                let _ = write!(side, "{close}<h2>{part}</h2>\n<ul>\n"); // Writing to a string does not fail.
            }
            let current = if page.slug == self.slug { " aria-current=\"page\"" } else { "" };
            let _ = write!(side, "<li><a href=\"{}\"{current}>{}</a>", page.address(), page.text.title);
            if page.slug == self.slug && !self.text.headings.is_empty() {
                side.push_str("<ul>");
                for (anchor, words) in &self.text.headings {
                    let _ = write!(side, "<li><a href=\"#{anchor}\">{words}</a></li>");
                }
                side.push_str("</ul>");
            }
            side.push_str("</li>\n");
        }
        side + "</ul>\n"
    }

    /// The headings of this page, at the top on a phone, where the list of pages is at the bottom.
    fn contents(&self) -> String {
        let links = self.text.headings.iter();
        let links = links.map(|(anchor, words)| format!("<li><a href=\"#{anchor}\">{words}</a></li>\n"));
        format!(
            "<details class=\"contents\"><summary>On this page</summary>\n<ul>\n{}\
             <li><a href=\"#pages\">All pages of the guide</a></li>\n</ul>\n</details>\n",
            links.collect::<String>()
        )
    }

    /// The link to the page that follows.
    fn next(&self) -> String {
        let following = PAGES.iter().skip_while(|page| page.slug != self.slug).nth(1);
        following.map_or_else(String::new, |page| {
            format!("<p class=\"next\">Next: <a href=\"{}\">{}</a></p>\n", page.address(), page.text.title)
        })
    }
}

/// Redirects to the first page.
pub(in crate::api) async fn guide() -> Redirect {
    // The trailing slash is needed: the links of the pages are relative to it.
    Redirect::to("guide/")
}

/// The first page.
pub(in crate::api) async fn guide_home(headers: HeaderMap) -> Result<Response> {
    guide_page(headers, Path("index".to_owned())).await
}

/// One page.
pub(in crate::api) async fn guide_page(headers: HeaderMap, Path(slug): Path<String>) -> Result<Response> {
    if let Some((_, html)) = RENDERED.iter().find(|(known, _)| *known == slug) {
        return Ok(([(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)], Html(html.as_str())).into_response());
    }
    if !is_browser(&headers) {
        return Err(Failure::new(FailureKind::RouteNotFound, "Unknown page of the guide."));
    }
    let body = "<h1>Unknown page</h1>\n<p class=\"lead\">The guide has no page with this address. \
                <a href=\"./\">See all pages.</a></p>\n";
    let side = PAGES.first().map_or_else(String::new, GuidePage::side);
    let page =
        DocsPage { section: Section::Guide, up: "../", title: "Unknown page", side, body: body.to_owned() };
    Ok(page.respond(StatusCode::NOT_FOUND))
}
