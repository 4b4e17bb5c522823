//! A token from the configuration file to a call over HTTP.

use axum::body::Body;
use contacts_gateway::api::{AppState, EdgeSettings, Readiness, RequestAdmission, router};
use contacts_gateway::app::Components;
use contacts_gateway::config::{Config, Flags};
use contacts_gateway::domain::Actor;
use contacts_gateway::sealing::MasterKey;
use contacts_gateway::store::now;
use http::Request;
use jsonwebtoken::{EncodingKey, Header, encode};
use secrecy::ExposeSecret;
use serde_json::json;
use std::sync::Arc;
use tower::ServiceExt;

const SECRET: &str = "a secret of tests, longer than 32 characters";

#[tokio::test]
async fn a_token_of_a_configured_issuer_opens_its_tenant_as_far_as_its_scopes_go() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let file = folder.path().join("gateway.toml");
    let table = format!(
        "database_url = \"sqlite://{place}/gateway.db\"\n[[auth.jwt]]\nissuer = \"https://login.example.com\"\n\
         audience = \"contacts-gateway\"\nalgorithms = [\"HS256\"]\nsecret_file = \"{place}/secret\"\n\
         tenant_claim = \"tenant\"\nscope_claim = \"scope\"\n"
    );
    std::fs::write(&file, table).unwrap();
    let key = MasterKey::generate().unwrap().text().expose_secret().to_owned();
    let flags = Flags { file: Some(file), values: Vec::new() };
    let config = Config::read(&flags, [("GATEWAY_MASTER_KEY".to_owned(), key)]).unwrap();
    let Components { gateway, authenticator, .. } = Components::open(&config).await.unwrap();
    gateway.tenants.create(&Actor::command_line(), "acme").await.unwrap();
    let readiness: Readiness = Arc::new(|| Box::pin(async { Ok(()) }));
    let admission = Arc::new(RequestAdmission::new(&config.limits));
    let router = router(AppState {
        gateway: Arc::new(gateway),
        authenticator,
        readiness,
        admission,
        history: Arc::default(),
        edge: EdgeSettings::default(),
    });
    let status = async |tenant: &str, scope: &str, secret: &str| {
        let (iat, aud, iss) = (now().as_second(), "contacts-gateway", "https://login.example.com");
        let claims =
            json!({"iss": iss, "aud": aud, "iat": iat, "exp": iat + 60, "tenant": tenant, "scope": scope});
        let token =
            encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        let request = Request::get("/credentials").header("authorization", format!("Bearer {token}"));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
    };
    assert_eq!(status("acme", "credentials:read", SECRET).await, 200);
    assert_eq!(status("acme", "openid", SECRET).await, 403);
    assert_eq!(status("nobody", "credentials:read", SECRET).await, 401);
    assert_eq!(status("acme", "credentials:read", "another secret").await, 401);
}
