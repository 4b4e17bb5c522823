//! The real router over a gateway without a store, and answers taken apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use contacts_gateway::api::{AppState, Authenticate, router};
use contacts_gateway::domain::{Caller, Failure, FailureKind, Result, Scope, Scopes};
use contacts_gateway::gateway::{Contacts, Credentials, Gateway, Keys, Tenants};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// The API, without CRMs and without a database: what the edge decides alone.
pub(crate) struct Edge {
    router: Router,
    /// Whether the process stops.
    pub(crate) draining: Arc<AtomicBool>,
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
    pub(crate) fn new() -> Self {
        Self::with_admin(true)
    }

    /// An edge with or without an operator.
    pub(crate) fn with_admin(admin: bool) -> Self {
        let draining = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&draining);
        let state = AppState {
            gateway: Arc::new(gateway()),
            authenticator: Arc::new(Words { admin }),
            readiness: Arc::new(move || {
                let stopping = || Failure::new(FailureKind::Draining, "The gateway is stopping.");
                if flag.load(Ordering::SeqCst) { Err(stopping()) } else { Ok(()) }
            }),
        };
        Self { router: router(state), draining }
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
    let word = if uri.starts_with("/admin") { "Bearer admin" } else { "Bearer tenant" };
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(uri)
        .header("authorization", word)
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

/// Keys are words here: `tenant` and `admin`.
struct Words {
    admin: bool,
}

#[async_trait]
impl Authenticate for Words {
    async fn caller(&self, authorization: Option<&str>) -> Result<Caller> {
        match authorization {
            Some("Bearer tenant") => Ok(Caller {
                tenant: "ten_1".into(),
                key: "k1".into(),
                scopes: Scopes::new(&Scope::ALL),
                credentials: None,
            }),
            Some("Bearer panic") => panic!("a secret in the payload"),
            Some("Bearer admin") => {
                Err(Failure::new(FailureKind::InsufficientScope, "That is the admin token."))
            }
            _ => Err(Failure::new(FailureKind::Unauthenticated, "Send a key.")),
        }
    }

    fn operator(&self, authorization: Option<&str>) -> Result<()> {
        match authorization {
            Some("Bearer admin") => Ok(()),
            Some("Bearer tenant") => {
                Err(Failure::new(FailureKind::InsufficientScope, "That is a tenant's key."))
            }
            _ => Err(Failure::new(FailureKind::Unauthenticated, "Send the admin token.")),
        }
    }

    fn admin_enabled(&self) -> bool {
        self.admin
    }
}

fn gateway() -> Gateway {
    Gateway { contacts: Contacts {}, credentials: Credentials {}, keys: Keys {}, tenants: Tenants {} }
}
