//! The real router over a real gateway without CRMs, and answers taken apart.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use contacts_gateway::api::{AppState, Readiness, RequestAdmission, router};
use contacts_gateway::app::Components;
use contacts_gateway::auth::{ApiKey, Issuers};
use contacts_gateway::config::Limits;
use contacts_gateway::sealing::{MasterKey, Sealer};
use contacts_gateway::store::{Location, Store, TenantRecord, now};
use contacts_gateway::upstream::{BaseUrlGuard, Transport};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tower::ServiceExt;

/// The operator's token.
const ADMIN_TOKEN: &str = "an-admin-token-of-tests";

/// The API over a real gateway without CRMs: what the edge decides alone.
pub(crate) struct Edge {
    router: Router,
    /// Who is let in; closed while the process stops.
    pub(crate) gate: Arc<RequestAdmission>,
    /// Whether the next look at readiness panics: a bug on order.
    pub(crate) broken: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

/// An answer, whole.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) text: String,
}

impl Edge {
    /// An edge with an operator.
    pub(crate) async fn new() -> Self {
        Self::with_admin(true).await
    }

    /// An edge with or without an operator.
    pub(crate) async fn with_admin(admin: bool) -> Self {
        // Tests come faster than any key may.
        Self::with(admin, &Limits { key_rate: None, ..Limits::default() }).await
    }

    /// An edge that keeps to `limits`.
    pub(crate) async fn with(admin: bool, limits: &Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = admin.then(|| SecretString::from(ADMIN_TOKEN));
        let Components { authenticator, gateway, .. } = parts(folder.path(), token.as_ref()).await;
        let (gate, broken) = (Arc::new(RequestAdmission::new(limits)), Arc::new(AtomicBool::new(false)));
        let (asked, fault) = (Arc::clone(&gate), Arc::clone(&broken));
        let readiness: Readiness = Arc::new(move || {
            assert!(!fault.load(Ordering::SeqCst), "a secret in the payload");
            let outcome = asked.open();
            Box::pin(async move { outcome })
        });
        let state =
            AppState { gateway: Arc::new(gateway), authenticator, readiness, gate: Arc::clone(&gate) };
        Self { router: router(state), gate, broken, _folder: folder }
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// A request of the tenant without a body.
    pub(crate) async fn ask(&self, method: &str, uri: &str) -> Answer {
        self.send(signed(method, uri).body(Body::empty()).unwrap()).await
    }

    /// A request of the tenant with a JSON body.
    pub(crate) async fn tell(&self, method: &str, uri: &str, body: impl Into<Body>) -> Answer {
        let request = signed(method, uri).header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }
}

/// A request of whom the path asks for.
pub(crate) fn signed(method: &str, uri: &str) -> http::request::Builder {
    let authorization = if uri.starts_with("/admin") { admin() } else { tenant() };
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(uri)
        .header("authorization", authorization)
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    /// The problem's code; empty where it is none.
    pub(crate) fn code(&self) -> String {
        let json: Value = serde_json::from_str(&self.text).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The places of the problem's faults.
    #[track_caller]
    pub(crate) fn places(&self) -> Vec<String> {
        let json = self.json();
        let place =
            |fault: &Value| fault["pointer"].as_str().or(fault["parameter"].as_str()).unwrap().to_owned();
        json["errors"].as_array().map(|faults| faults.iter().map(place).collect()).unwrap_or_default()
    }

    /// Asserts that it is the problem `code` with `status`.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code), "{}", self.text);
        self
    }

    /// Asserts that the edge let the request in: the gateway answered, whatever it said.
    #[track_caller]
    pub(crate) fn passed(&self) -> &Self {
        const EDGE: [&str; 10] = [
            "invalid_parameter",
            "malformed_request",
            "validation_failed",
            "unsupported_media_type",
            "body_too_large",
            "unauthenticated",
            "insufficient_scope",
            "route_not_found",
            "method_not_allowed",
            "operation_unsupported",
        ];
        assert!(!EDGE.contains(&self.code().as_str()), "refused at the edge: {}", self.text);
        self
    }

    /// One header, as text.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }
}

/// The header of the tenant.
pub(crate) fn tenant() -> String {
    format!("Bearer {}", key().text().expose_secret())
}

/// The header of the operator.
pub(crate) fn admin() -> String {
    format!("Bearer {ADMIN_TOKEN}")
}

/// The tenant's key, the same in every test.
fn key() -> ApiKey {
    ApiKey::from_parts("edge000000000000", &"0".repeat(43)).unwrap()
}

/// A real gateway on a database of its own, with one tenant that has no credentials.
async fn parts(folder: &Path, admin: Option<&SecretString>) -> Components {
    let location = Location::parse(&format!("sqlite://{}", folder.join("edge.db").display())).unwrap();
    let store = Store::open(&location).await.unwrap();
    let sealer = Sealer::new(&MasterKey::generate().unwrap()).unwrap();
    let guard = BaseUrlGuard::default();
    let transport = Transport::new(&guard).unwrap();
    let parts =
        Components::join(store, sealer, guard, transport, admin, Issuers::default(), Limits::default());
    let tenant = TenantRecord { id: "ten_1".into(), name: "one".into(), created_at: now() };
    parts.store.tenants.insert(&tenant).await.unwrap();
    let key = key();
    let record = crate::key::record(&key, tenant.id);
    parts.store.keys.insert(&record).await.unwrap();
    parts
}
