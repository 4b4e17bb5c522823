//! `/admin`: the operator's routes, as far as the edge decides.

use crate::test_gateway::{Setup, TestGateway, admin, signed, tenant};
use axum::body::Body;

#[tokio::test]
async fn without_an_admin_token_the_routes_do_not_exist() {
    let edge = TestGateway::with(Setup { has_operator: false, ..Setup::default() }).await;
    for (method, path) in [
        ("GET", "/admin/tenants"),
        ("PUT", "/admin/tenants"),
        ("GET", "/admin/tenants/x/keys"),
        ("GET", "/admin/audit"),
    ] {
        edge.ask(method, path).await.is(404, "route_not_found");
    }
}

#[tokio::test]
async fn each_plane_has_its_own_key() {
    let edge = TestGateway::open().await;
    let with = |path: &str, word: &str| {
        http::Request::get(path).header("authorization", word).body(Body::empty()).unwrap()
    };
    edge.send(with("/admin/tenants", &tenant())).await.is(403, "insufficient_scope");
    edge.send(with("/credentials", &admin())).await.is(403, "insufficient_scope");
    edge.send(signed("GET", "/admin/tenants").body(Body::empty()).unwrap()).await.passed();
}

#[tokio::test]
async fn bodies_name_every_fault() {
    let edge = TestGateway::open().await;
    for (path, body, places) in [
        ("/admin/tenants", "{}", vec!["/name"]),
        ("/admin/tenants", r#"{"name":" "}"#, vec!["/name"]),
        ("/admin/tenants", r#"{"name":null,"x":1,"y~/":2}"#, vec!["/x", "/y~0~1", "/name"]),
        ("/admin/tenants", r#"{"name":7}"#, vec!["/name"]),
        ("/admin/tenants/t/keys", "{}", vec!["/name", "/scopes"]),
        ("/admin/tenants/t/keys", r#"{"name":"k","scopes":[]}"#, vec!["/scopes"]),
        ("/admin/tenants/t/keys", r#"{"name":"k","scopes":"contacts:read"}"#, vec!["/scopes"]),
        (
            "/admin/tenants/t/keys",
            r#"{"name":"k","scopes":["contacts:read","all",1],"credentialIds":[],"expiresAt":"2026-01-01","x":0}"#,
            vec!["/x", "/scopes/1", "/scopes/2", "/credentialIds", "/expiresAt"],
        ),
        (
            "/admin/tenants/t/keys",
            r#"{"name":"k","scopes":["contacts:read"],"credentialIds":["a",""],"expiresAt":17}"#,
            vec!["/credentialIds/1", "/expiresAt"],
        ),
    ] {
        let answer = edge.tell("POST", path, body).await;
        answer.is(422, "validation_failed");
        assert_eq!(answer.places(), places, "{body}");
    }
    edge.tell("POST", "/admin/tenants", r#"{"name":"Harbour Homes"}"#).await.passed();
    let key =
        r#"{"name":"k","scopes":["contacts:read"],"credentialIds":["a"],"expiresAt":"2030-01-01T00:00:00Z"}"#;
    edge.tell("POST", "/admin/tenants/t/keys", key).await.passed();
}
