//! `/docs`: Swagger UI from the binary alone, and a page for each problem.

use contacts_gateway::api::openapi::document;
use contacts_gateway::domain::FailureKind;

use crate::test_gateway::TestGateway;

#[tokio::test]
async fn the_page_and_all_that_it_names_come_from_here() {
    let edge = TestGateway::open().await;
    assert_eq!(edge.ask("GET", "/").await.header("location"), "/docs/");
    assert_eq!(edge.ask("GET", "/docs").await.header("location"), "/docs/");
    let page = edge.ask("GET", "/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(!page.text.contains("http:") && !page.text.contains("https:"), "{}", page.text);
    // A script in the page itself would not run under the policy.
    assert!(page.header("content-security-policy").contains("script-src 'self';"));
    assert!(!page.text.split("<script").skip(1).any(|tag| !tag.split('>').next().unwrap().contains("src=")));
    let mut assets = 0;
    for name in page.text.split(['"', '\'']).filter_map(|word| word.strip_prefix("./")) {
        assets += 1;
        let asset = edge.ask("GET", &format!("/docs/{name}")).await;
        assert_eq!(asset.status, 200, "{name}");
        assert!(!asset.headers.contains_key("content-encoding"), "{name}");
    }
    assert!(assets >= 5, "{assets}: {}", page.text);
    edge.ask("GET", "/docs/nothing.js").await.is(404, "route_not_found");
}

#[tokio::test]
async fn the_page_keeps_the_authorisation_and_asks_no_validator() {
    let script = TestGateway::open().await.ask("GET", "/docs/swagger-initializer.js").await.text;
    for line in [
        r#""url": "/openapi.json""#,
        r#""persistAuthorization": true"#,
        r#""tryItOutEnabled": true"#,
        r#""validatorUrl": "none""#,
    ] {
        assert!(script.contains(line), "{line}: {script}");
    }
    assert!(!script.contains("http"), "{script}");
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
