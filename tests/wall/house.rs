//! The whole API over a real gateway and both simulated CRMs, with tenants who distrust each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use contacts_gateway::api::{AppState, Gate, Readiness, router};
use contacts_gateway::app::Parts;
use contacts_gateway::auth::{ApiKey, Issuers};
use contacts_gateway::config::Limits;
use contacts_gateway::domain::{Actor, CallContext, Caller, Principal, RawJson, Scope, Scopes, TenantId};
use contacts_gateway::gateway::Gateway;
use contacts_gateway::gateway::credentials::CredentialDraft;
use contacts_gateway::sealing::{MasterKey, Sealer};
use contacts_gateway::simulators::{Running, aptly, pipeline};
use contacts_gateway::store::{KeyRecord, Location, Store, now};
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Transport};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt;

/// The operator's token.
const ADMIN_TOKEN: &str = "the-operator-of-the-wall";
/// The id that every request bears, so that answers can be compared byte by byte.
const REQUEST_ID: &str = "the-same-for-all";

/// One gateway, both CRMs.
pub(crate) struct House {
    router: Router,
    gateway: Arc<Gateway>,
    store: Store,
    pub(crate) aptly: Running,
    pub(crate) pipeline: Running,
    _folder: tempfile::TempDir,
}

/// A tenant with a credential at each CRM.
pub(crate) struct Tenant {
    caller: Caller,
    /// At Aptly, then at the pipeline CRM.
    pub(crate) credentials: [String; 2],
}

/// An answer, whole.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The problem's code; empty where it is none.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The pointers of the problem's faults.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let faults = self.json()["errors"].as_array().cloned().unwrap_or_default();
        faults.iter().filter_map(|fault| fault["pointer"].as_str()).map(str::to_owned).collect()
    }

    /// The same with `path` taken out: the one thing beside the request id in which answers may differ.
    pub(crate) fn without(mut self, path: &str) -> Self {
        let instance = format!("\"instance\":{}", Value::from(path));
        self.text = self.text.replace(&instance, "\"instance\":\"\"");
        self.headers.remove("content-length");
        self
    }
}

impl House {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = format!("sqlite://{}/gateway.db", folder.path().display());
        let store = Store::open(&Location::parse(&place).unwrap()).await.unwrap();
        let guard = BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap());
        let transport = Transport::new(&guard).unwrap();
        let sealer = Sealer::new(&MasterKey::generate().unwrap()).unwrap();
        let admin = SecretString::from(ADMIN_TOKEN);
        let parts =
            Parts::join(store, sealer, guard, transport, Some(&admin), Issuers::default(), Limits::default());
        let gateway = Arc::new(parts.gateway);
        let readiness: Readiness = Arc::new(|| Box::pin(async { Ok(()) }));
        // The attacks come faster than any key may.
        let limits = Limits { key_rate: None, ..Limits::default() };
        let (authenticator, gate) = (parts.authenticator, Arc::new(Gate::new(&limits)));
        let state = AppState { gateway: gateway.clone(), authenticator, readiness, gate };
        let aptly = aptly::Options { people: 3, ..aptly::Options::empty() };
        let pipeline = pipeline::Options { people: 3, ..pipeline::Options::empty() };
        Self {
            router: router(state),
            gateway,
            store: parts.store,
            aptly: aptly::Simulator::start(aptly).await.unwrap(),
            pipeline: pipeline::Simulator::start(pipeline).await.unwrap(),
            _folder: folder,
        }
    }

    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let operator = Actor { principal: Principal::Operator, request_id: None };
        let caller = Caller {
            tenant: self.gateway.tenants.create(&operator, name).await.unwrap().id,
            principal: Principal::Operator,
            scopes: Scopes::new(&Scope::ALL),
            credentials: None,
        };
        let credentials = [self.link(&caller, "aptly").await, self.link(&caller, "pipeline").await];
        Tenant { caller, credentials }
    }

    /// One more credential of the tenant.
    pub(crate) async fn more(&self, tenant: &Tenant, provider: &str) -> String {
        self.link(&tenant.caller, provider).await
    }

    async fn link(&self, caller: &Caller, provider: &str) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let crm = if provider == "aptly" { &self.aptly } else { &self.pipeline };
        let mut settings = json!({ "baseUrl": crm.base_url() });
        let member = if provider == "aptly" { "apiKey" } else { "token" };
        if provider == "pipeline" {
            settings["allowDelete"] = json!(true);
        }
        let draft = CredentialDraft {
            provider: provider.into(),
            name: format!("{provider} {}", NEXT.fetch_add(1, Ordering::Relaxed)).into(),
            settings: RawJson::from_validated(settings.to_string().into()),
            secret: json!({ member: crm.token() }).to_string().into(),
        };
        let context = CallContext::within(Duration::from_secs(10), "test".into());
        self.gateway.credentials.create(&context, caller, draft, false).await.unwrap().id.as_str().to_owned()
    }

    /// The header of a new key of the tenant.
    pub(crate) async fn key(&self, tenant: &Tenant, scopes: &[Scope], only: Option<&[&str]>) -> String {
        // Straight into the store: a key without any scope cannot be made, a token without any can.
        let key = ApiKey::generate().unwrap();
        let record = KeyRecord {
            id: key.id().clone(),
            tenant: tenant.caller.tenant.clone(),
            name: "key".into(),
            digest: key.digest(),
            scopes: Scopes::new(scopes),
            credentials: only.map(|ids| ids.iter().map(|id| (*id).into()).collect()),
            created_at: now(),
            expires_at: None,
            last_used_at: None,
        };
        self.store.keys.insert(&record).await.unwrap();
        format!("Bearer {}", key.text().expose_secret())
    }

    pub(crate) async fn send(&self, method: &str, uri: &str, who: &str, body: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("x-request-id", REQUEST_ID);
        if !who.is_empty() {
            request = request.header("authorization", who);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |text| Body::from(text.to_owned()));
        let (parts, body) =
            self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap().into_parts();
        let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// How many calls reached the CRMs so far.
    pub(crate) fn calls(&self) -> usize {
        self.aptly.calls().len() + self.pipeline.calls().len()
    }
}

impl Tenant {
    pub(crate) fn id(&self) -> &TenantId {
        &self.caller.tenant
    }
}

/// The header of the operator.
pub(crate) fn admin() -> String {
    format!("Bearer {ADMIN_TOKEN}")
}
