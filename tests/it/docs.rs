//! `/docs`: the reference from the binary alone, the guide, and a page for each problem.

use std::collections::BTreeMap;
use std::io::Read as _;

use axum::body::Body;
use contacts_gateway::api::openapi::document;
use contacts_gateway::domain::FailureKind;
use flate2::read::GzDecoder;
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::test_gateway::{TestGateway, signed};

/// What the page names in `src` and `href`.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split([' ', '>', '\n']).filter_map(|word| {
        let value = word.strip_prefix("src=\"").or_else(|| word.strip_prefix("href=\""))?;
        value.strip_suffix('"')
    })
}

/// The path to which `link` leads from a page, as a browser resolves it.
fn resolved(page: &str, link: &str) -> String {
    let base = url::Url::parse(&format!("http://gateway{page}")).unwrap();
    base.join(link).unwrap().path().to_owned()
}

#[tokio::test]
async fn the_reference_and_all_that_it_names_come_from_here() {
    let edge = TestGateway::open().await;
    for path in ["/", "/docs"] {
        let location = edge.ask("GET", path).await.header("location").to_owned();
        // Relative, so that a proxy may serve the pages under a prefix.
        assert_eq!(location, "docs/");
        assert_eq!(resolved(path, &location), "/docs/");
    }
    let page = edge.ask("GET", "/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(!page.text.contains("http:") && !page.text.contains("https:"), "{}", page.text);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    // A script or style in the page itself would not run under the policy.
    assert!(!page.text.split("<script").skip(1).any(|tag| !tag.split('>').next().unwrap().contains("src=")));
    assert!(!page.text.contains("<style") && !page.text.contains("style="));
    let mut assets = 0;
    for link in links(&page.text) {
        assert!(!link.starts_with('/'), "{link} does not survive a path prefix");
        let found = edge.ask("GET", &resolved("/docs/", link)).await;
        assert_eq!(found.status, 200, "{link}");
        assert!(!found.headers.contains_key("content-encoding"), "{link}");
        assets += usize::from(link.starts_with("assets/"));
    }
    assert!(assets >= 6, "{assets}: {}", page.text);
    for unknown in ["/docs/nothing.js", "/docs/assets/nothing.js", "/docs/assets/index.html"] {
        edge.ask("GET", unknown).await.is(404, "route_not_found");
    }
}

#[tokio::test]
async fn large_files_are_compressed_for_those_who_accept_it() {
    let edge = TestGateway::open().await;
    for path in ["/docs/assets/swagger-ui-bundle.js", "/docs/assets/swagger-ui.css", "/openapi.json"] {
        let plain = edge.ask("GET", path).await;
        assert_eq!(plain.header("vary"), "accept-encoding");
        let request = signed("GET", path).header("accept-encoding", "gzip, deflate, br");
        let response = edge.response(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let gzipped = response.into_body().collect().await.unwrap().to_bytes();
        let mut unzipped = String::new();
        GzDecoder::new(&gzipped[..]).read_to_string(&mut unzipped).unwrap();
        assert!(unzipped == plain.text && gzipped.len() * 3 < unzipped.len(), "{path}");
    }
}

#[tokio::test]
async fn no_script_and_no_style_of_ours_names_another_host() {
    let edge = TestGateway::open().await;
    for name in ["pages.css", "pages.js", "reference.css", "reference.js"] {
        let text = edge.ask("GET", &format!("/docs/assets/{name}")).await.text;
        let hosts = text.match_indices("://").filter(|(at, _)| !text[*at..].starts_with("://127.0.0.1"));
        assert_eq!(hosts.count(), 0, "{name}");
    }
}

/// Every page that can be reached from the reference, the guide and the list of errors, by its path.
async fn all_pages(edge: &TestGateway) -> BTreeMap<String, String> {
    let mut open: Vec<String> = ["/docs/", "/docs/guide/", "/docs/errors"].map(str::to_owned).into();
    let mut pages = BTreeMap::new();
    while let Some(path) = open.pop() {
        if pages.contains_key(&path) || path == "/openapi.json" || path.contains("/assets/") {
            continue;
        }
        let page = edge.ask("GET", &path).await;
        assert_eq!(page.status, 200, "{path}");
        let inside = links(&page.text).filter(|link| !link.contains("://"));
        open.extend(inside.map(|link| resolved(&path, link)));
        pages.insert(path, page.text);
    }
    pages
}

#[tokio::test]
async fn every_link_leads_to_a_page_and_to_a_heading_there() {
    let edge = TestGateway::open().await;
    let pages = all_pages(&edge).await;
    assert!(pages.len() > 60, "{}", pages.len());
    let operations = document();
    for (path, page) in &pages {
        for link in links(page).filter(|link| !link.contains("://")) {
            assert!(!link.starts_with('/'), "{path}: {link} does not survive a path prefix");
            let Some((_, fragment)) = link.split_once('#') else { continue };
            let target = resolved(path, link);
            let found = match fragment.strip_prefix('/') {
                Some(operation) => {
                    let id = operation.rsplit('/').next().unwrap();
                    target == "/docs/" && operations.contains(&format!("\"operationId\": \"{id}\""))
                }
                None => pages[&target].contains(&format!("id=\"{fragment}\"")),
            };
            assert!(found, "{path}: {link}");
        }
    }
}

#[tokio::test]
async fn no_page_needs_more_than_its_policy_allows() {
    let edge = TestGateway::open().await;
    for (path, page) in all_pages(&edge).await {
        assert!(
            !page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="),
            "{path}"
        );
        assert!(!page.contains("<script>"), "{path}");
        let elsewhere = page.split("src=\"").skip(1).any(|rest| rest.starts_with("http"));
        assert!(!elsewhere, "{path}");
    }
}

#[tokio::test]
async fn every_problem_has_a_page_at_its_type() {
    let edge = TestGateway::open().await;
    let index = edge.ask("GET", "/docs/errors").await;
    let document: Value = serde_json::from_str(&document()).unwrap();
    for kind in FailureKind::ALL {
        let code = kind.code();
        assert!(index.text.contains(&format!("href=\"errors/{code}\"")), "{code}");
        let page = edge.ask("GET", &format!("/docs/errors/{code}")).await;
        assert_eq!(page.status, 200, "{code}");
        assert!(page.header("content-type").starts_with("text/html"));
        for part in ["What happened", "Whose fault", "What to do", "Example", "Handle it in code"] {
            assert!(page.text.contains(&format!("<h2>{part}</h2>")), "{code}: {part}");
        }
        // The example is the one of the reference.
        let shown = page
            .text
            .split("<h2>Example</h2>\n<pre><code class=\"wrap\">")
            .nth(1)
            .unwrap()
            .split("</code>")
            .next()
            .unwrap();
        let (head, shown) = shown.split_once("\n\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 ") && head.ends_with("application/problem+json"),
            "{code}: {head}"
        );
        let shown: Value =
            serde_json::from_str(&shown.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">"))
                .unwrap();
        let example = &document["components"]["examples"][format!("problem.{code}")]["value"];
        assert!(example.is_null() || *example == shown, "{code}: {shown}");
        assert_ne!(shown["detail"], shown["title"], "{code}");
    }
}

#[tokio::test]
async fn an_unknown_page_is_a_page_for_browsers_and_a_problem_for_programs() {
    let edge = TestGateway::open().await;
    for path in ["/docs/errors/contact_exist", "/docs/guide/nothing"] {
        edge.ask("GET", path).await.is(404, "route_not_found");
        let request = signed("GET", path).header("accept", "text/html,*/*;q=0.8");
        let page = edge.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(page.status, 404);
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(path.contains("guide") || page.text.contains("href=\"contact_exists\""), "{}", page.text);
    }
    let request =
        signed("GET", "/docs/errors/%3Cscript%3Ealert(1)%3C%2Fscript%3E").header("accept", "text/html");
    let page = edge.send(request.body(Body::empty()).unwrap()).await;
    assert!(page.text.contains("&lt;script&gt;") && !page.text.contains("<script>"), "{}", page.text);
}

#[tokio::test]
async fn the_served_document_is_the_one_that_is_committed() {
    let served = TestGateway::open().await.ask("GET", "/openapi.json").await;
    assert_eq!(served.header("content-type"), "application/json");
    assert!(served.text == document(), "another document is served");
}
