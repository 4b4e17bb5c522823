//! `/docs`: the reference from the binary alone, the guide, and a page for each problem.

use contacts_gateway::api::openapi::document;
use contacts_gateway::domain::FailureKind;

use crate::test_gateway::TestGateway;

/// What the page names in `src` and `href`.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split([' ', '>']).filter_map(|word| {
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
async fn no_script_and_no_style_of_ours_names_another_host() {
    let edge = TestGateway::open().await;
    for name in ["pages.css", "pages.js", "reference.css", "reference.js"] {
        let text = edge.ask("GET", &format!("/docs/assets/{name}")).await.text;
        let hosts = text.match_indices("://").filter(|(at, _)| !text[*at..].starts_with("://127.0.0.1"));
        assert_eq!(hosts.count(), 0, "{name}");
    }
}

#[tokio::test]
async fn every_problem_has_a_page_at_its_type() {
    let edge = TestGateway::open().await;
    let index = edge.ask("GET", "/docs/errors").await;
    for kind in FailureKind::ALL {
        let path = format!("/docs/errors/{}", kind.code());
        assert!(index.text.contains(&path), "{path}");
        let page = edge.ask("GET", &path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains(kind.code()) && page.header("content-type").starts_with("text/html"));
    }
    edge.ask("GET", "/docs/errors/nothing").await.is(404, "route_not_found");
}

#[tokio::test]
async fn the_served_document_is_the_one_that_is_committed() {
    let served = TestGateway::open().await.ask("GET", "/openapi.json").await;
    assert_eq!(served.header("content-type"), "application/json");
    assert!(served.text == document(), "another document is served");
}
