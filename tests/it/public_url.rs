//! A gateway behind a proxy with a path prefix: every URL in a response leads back to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use contacts_gateway::api::EdgeSettings;
use contacts_gateway::app::SIMULATED;
use contacts_gateway::config::PublicUrl;
use serde_json::json;

use crate::reply::Reply;
use crate::test_gateway::{Link, Setup, TestGateway, signed};

const PUBLIC: &str = "https://api.example.com/contacts";

async fn behind_a_prefix() -> Arc<TestGateway> {
    let public_url = Some(PublicUrl::parse("https://api.example.com/contacts/").unwrap());
    let edge = EdgeSettings { public_url, ..EdgeSettings::default() };
    Arc::new(TestGateway::with(Setup { edge, ..Setup::default() }).await)
}

/// The path that the proxy passes on.
fn behind(url: &str) -> &str {
    let path = url.strip_prefix(PUBLIC).unwrap_or_else(|| panic!("not behind the prefix: {url}"));
    assert!(path.starts_with('/'), "{url}");
    path
}

async fn follow(gateway: &TestGateway, response: &Reply) {
    let location = response.header("location");
    assert_eq!(gateway.ask("GET", behind(location)).await.status, 200, "{location}");
}

#[tokio::test]
async fn locations_links_and_types_are_urls_behind_the_prefix() {
    let gateway = behind_a_prefix().await;
    follow(&gateway, &gateway.tell("POST", "/admin/tenants", r#"{"name":"other"}"#).await).await;
    let body = r#"{"provider":"aptly","name":"a","secret":{"apiKey":"hush"}}"#;
    for is_replay in [false, true] {
        let request = signed("POST", "/credentials?verify=false").header("idempotency-key", "k");
        let request = request.header("content-type", "application/json").body(Body::from(body));
        let created = gateway.send(request.unwrap()).await;
        assert_eq!((created.status, created.is_replay()), (201, is_replay), "{}", created.text);
        follow(&gateway, &created).await;
    }

    let crm = SIMULATED.iter().find(|crm| crm.provider == "pipeline").unwrap();
    let running = crm.start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Vec::new()).await.unwrap();
    let link =
        Link { base_url: running.base_url(), secret: running.token(), settings: json!({}), verify: false };
    let credential = gateway.link(&gateway.caller, crm.provider, link).await.unwrap();
    let list = format!("/crm/contacts?credentialId={}&pageSize=2", credential.as_str());
    let page = gateway.ask("GET", &list).await;
    let next = page.header("link").strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    assert_eq!(gateway.ask("GET", behind(next.unwrap())).await.status, 200);
    let person = r#"{"lastName":"Okafor","phoneNumbers":[{"phoneNumber":"+1 416 555 0123"}]}"#;
    let create = format!("/crm/contacts?credentialId={}", credential.as_str());
    follow(&gateway, &gateway.tell("POST", &create, person).await).await;

    let exists = gateway.tell("POST", &create, person).await;
    exists.is(409, "contact_exists");
    running.shutdown().await;
    let search = gateway.ask("GET", "/crm/contacts/search?name=Okafor").await.json();
    let check = format!("/credentials/{}/check", credential.as_str());
    let check = gateway.ask("POST", &check).await.json();
    for problem in [
        &exists.json(),
        &gateway.ask("GET", "/nowhere").await.json(),
        &gateway.ask("GET", "/crm/contacts").await.json(),
        &search,
        &search["failures"][0]["problem"],
        &check["problem"],
    ] {
        let page = problem["type"].as_str().unwrap_or_else(|| panic!("{problem}"));
        assert_eq!(gateway.ask("GET", behind(page)).await.status, 200, "{page}");
    }
}

#[tokio::test]
async fn the_document_names_the_public_url_and_pages_stay_relative() {
    let gateway = behind_a_prefix().await;
    let document = gateway.ask("GET", "/openapi.json").await.json();
    let servers: Vec<&str> = document["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["url"].as_str().unwrap())
        .collect();
    assert_eq!(servers, [PUBLIC, "."]);
    assert_eq!(gateway.ask("GET", "/").await.header("location"), "docs/");
    let page = gateway.ask("GET", "/docs/guide/").await;
    assert!(!page.text.contains("api.example.com"), "{}", page.text);
    let without = TestGateway::open().await.ask("GET", "/openapi.json").await.json();
    assert_eq!(without["servers"].as_array().unwrap().len(), 1);
}
