//! The whole API in this process, without limits, and its responses.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use contacts_gateway::api::{AppState, Readiness, RequestAdmission, router};
use contacts_gateway::app::Components;
use contacts_gateway::auth::{ApiKey, Issuers};
use contacts_gateway::config::Limits;
use contacts_gateway::domain::{Actor, CallContext, Caller, Principal, RawJson, Scope, Scopes};
use contacts_gateway::gateway::Gateway;
use contacts_gateway::gateway::credentials::CredentialDraft;
use contacts_gateway::sealing::{MasterKey, Sealer};
use contacts_gateway::simulators::Running;
use contacts_gateway::store::{Location, Store};
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Transport};
use http::Request;
use http_body_util::BodyExt;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tower::ServiceExt;

/// The API with one tenant.
pub(crate) struct Api {
    router: Router,
    gateway: Arc<Gateway>,
    caller: Caller,
    key: String,
    _folder: tempfile::TempDir,
}

/// One account at a CRM, as a client of the API uses it.
#[derive(Clone)]
pub(crate) struct Account {
    api: Arc<Api>,
    credential: String,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Response {
    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    pub(crate) fn contact(&self) -> &Value {
        &self.body["contact"]
    }

    /// Code and pointer of each warning.
    pub(crate) fn warnings(&self) -> Vec<(&str, &str)> {
        let warnings = self.body["warnings"].as_array().map_or(&[][..], Vec::as_slice);
        warnings.iter().map(|warning| (word(&warning["code"]), word(&warning["pointer"]))).collect()
    }

    /// The pointers of a problem's errors.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map_or(&[][..], Vec::as_slice);
        errors.iter().map(|error| word(&error["pointer"])).collect()
    }

    pub(crate) fn code(&self) -> &str {
        word(&self.body["code"])
    }
}

pub(crate) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Api {
    pub(crate) async fn open() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let location = format!("sqlite://{}/gateway.db", folder.path().display());
        let store = Store::open(&Location::parse(&location).unwrap()).await.unwrap();
        let guard = BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap());
        let limits = Limits {
            key_rate: None,
            tenant_in_flight: None,
            credential_in_flight: None,
            ..Limits::default()
        };
        let transport = Transport::new(&guard).unwrap().with_limits(limits).unpaced();
        let sealer = Sealer::new(&MasterKey::generate().unwrap()).unwrap();
        let parts = Components::join(store, sealer, guard, transport, None, Issuers::default(), limits);
        let gateway = Arc::new(parts.gateway);
        let operator = Actor { principal: Principal::Operator, request_id: None };
        let tenant = gateway.tenants.create(&operator, "one").await.unwrap().id;
        let scopes = Scopes::new(&Scope::ALL);
        let caller = Caller { tenant, principal: Principal::Operator, scopes, credentials: None };
        let key = ApiKey::generate().unwrap();
        let record = crate::key::record(&key, caller.tenant.clone());
        parts.store.keys.insert(&record).await.unwrap();
        let readiness: Readiness = Arc::new(|| Box::pin(async { Ok(()) }));
        let (authenticator, gate) = (parts.authenticator, Arc::new(RequestAdmission::new(&limits)));
        let state = AppState { gateway: Arc::clone(&gateway), authenticator, readiness, gate };
        let key = format!("Bearer {}", key.text().expose_secret());
        Arc::new(Self { router: router(state), gateway, caller, key, _folder: folder })
    }

    /// Links an account at a simulated CRM.
    pub(crate) async fn link(
        self: &Arc<Self>,
        provider: &str,
        name: &str,
        at: &Running,
        settings: &Value,
    ) -> Account {
        let mut settings = settings.as_object().cloned().unwrap_or_default();
        settings.insert("baseUrl".to_owned(), json!(at.base_url()));
        let secret = if provider == "aptly" { "apiKey" } else { "token" };
        let draft = CredentialDraft {
            provider: provider.into(),
            name: name.into(),
            settings: RawJson::from_validated(Value::Object(settings).to_string().into()),
            secret: json!({ secret: at.token() }).to_string().into(),
        };
        let context = CallContext::within(Duration::from_secs(10), "test".into());
        let made = self.gateway.credentials.create(&context, &self.caller, draft, false).await.unwrap();
        Account { api: Arc::clone(self), credential: made.id.as_str().to_owned() }
    }
}

impl Account {
    /// A call to `/crm/contacts` + `path`; `query` comes after the credential.
    pub(crate) async fn call(&self, method: &str, path: &str, query: &str, body: Option<&Value>) -> Response {
        let credential = &self.credential;
        let request = Request::builder()
            .method(method)
            .uri(format!("/crm/contacts{path}?credentialId={credential}{query}"))
            .header("authorization", &self.api.key)
            .header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.api.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Response { status, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }
}
