//! The whole API over a real gateway and both simulated CRMs, with tenants who distrust each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use contacts_gateway::api::{AppState, Readiness, RequestAdmission, router};
use contacts_gateway::app::Components;
use contacts_gateway::auth::{ApiKey, Issuers};
use contacts_gateway::config::Limits;
use contacts_gateway::domain::{Actor, CallContext, Caller, Principal, RawJson, Scope, Scopes, TenantId};
use contacts_gateway::gateway::Gateway;
use contacts_gateway::gateway::credentials::CredentialDraft;
use contacts_gateway::sealing::{MasterKey, Sealer};
use contacts_gateway::simulators::{Running, aptly, pipeline};
use contacts_gateway::store::{KeyRecord, Location, Store};
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Transport};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::contract::Contract;

/// The operator's token.
const ADMIN_TOKEN: &str = "the-operator-of-the-wall";
/// The id that every request bears, so that answers can be compared byte by byte.
const REQUEST_ID: &str = "the-same-for-all";

/// One gateway, both CRMs.
pub(crate) struct House {
    router: Router,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) store: Store,
    pub(crate) aptly: Running,
    pub(crate) pipeline: Running,
    _contracts: [Contract; 2],
    _folder: tempfile::TempDir,
}

/// Options of a gateway under test.
pub(crate) struct Setup {
    /// The database's URL; by default a new SQLite file.
    pub(crate) database: Option<String>,
    /// Wraps the gateway's database.
    pub(crate) watch: fn(&mut Store),
    pub(crate) issuers: Issuers,
    pub(crate) limits: Limits,
    /// How CRMs are reached; by default directly, on loopback.
    pub(crate) way: Option<(BaseUrlGuard, Transport)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            database: None,
            watch: |_| {},
            issuers: Issuers::default(),
            limits: Limits::default(),
            way: None,
        }
    }
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
        Self::with(Setup::default()).await
    }

    /// A gateway that reaches CRMs over `transport`.
    pub(crate) async fn over(guard: BaseUrlGuard, transport: Transport) -> Self {
        Self::with(Setup { way: Some((guard, transport)), ..Setup::default() }).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let Setup { database, watch, issuers, limits, way } = setup;
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite://{}/gateway.db", folder.path().display());
        let location = Location::parse(&database.unwrap_or(file)).unwrap();
        let mut store = Store::open(&location).await.unwrap();
        watch(&mut store);
        let (guard, transport) = way.unwrap_or_else(|| {
            let guard = BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap());
            let transport = Transport::new(&guard).unwrap();
            (guard, transport)
        });
        let sealer = Sealer::new(&MasterKey::generate().unwrap()).unwrap();
        let admin = SecretString::from(ADMIN_TOKEN);
        let parts = Components::join(store, sealer, guard, transport, Some(&admin), issuers, limits);
        let gateway = Arc::new(parts.gateway);
        let readiness: Readiness = Arc::new(|| Box::pin(async { Ok(()) }));
        // The attacks come faster than any key may.
        let limits = Limits { key_rate: None, ..limits };
        let (authenticator, gate) = (parts.authenticator, Arc::new(RequestAdmission::new(&limits)));
        let state = AppState { gateway: gateway.clone(), authenticator, readiness, gate };
        let aptly = aptly::AptlyOptions { people: 3, ..aptly::AptlyOptions::empty() };
        let pipeline = pipeline::PipelineOptions { people: 3, ..pipeline::PipelineOptions::empty() };
        let aptly = aptly::AptlySimulator::start(aptly).await.unwrap();
        let pipeline = pipeline::PipelineSimulator::start(pipeline).await.unwrap();
        Self {
            router: router(state),
            gateway,
            store: parts.store,
            _contracts: [Contract::watch("aptly", &aptly), Contract::watch("pipeline", &pipeline)],
            aptly,
            pipeline,
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

    /// Adds a credential with this secret at this CRM.
    pub(crate) async fn link_to(
        &self,
        tenant: &Tenant,
        provider: &str,
        crm: &Running,
        secret: &Value,
    ) -> String {
        self.link_under(&tenant.caller, provider, &crm.base_url(), secret).await
    }

    async fn link(&self, caller: &Caller, provider: &str) -> String {
        let crm = if provider == "aptly" { &self.aptly } else { &self.pipeline };
        let member = if provider == "aptly" { "apiKey" } else { "token" };
        self.link_under(caller, provider, &crm.base_url(), &json!({ member: crm.token() })).await
    }

    /// Adds a credential at a CRM that the test runs.
    pub(crate) async fn account(&self, tenant: &Tenant, base_url: &str, token: &str) -> String {
        self.link_under(&tenant.caller, "aptly", base_url, &json!({ "apiKey": token })).await
    }

    async fn link_under(&self, caller: &Caller, provider: &str, base_url: &str, secret: &Value) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut settings = json!({ "baseUrl": base_url });
        if provider == "pipeline" {
            settings["allowDelete"] = json!(true);
        }
        let draft = CredentialDraft {
            provider: provider.into(),
            name: format!("{provider} {}", NEXT.fetch_add(1, Ordering::Relaxed)).into(),
            settings: RawJson::from_validated(settings.to_string().into()),
            secret: secret.to_string().into(),
        };
        let context = CallContext::within(Duration::from_secs(10), "test".into());
        self.gateway.credentials.create(&context, caller, draft, false).await.unwrap().id.as_str().to_owned()
    }

    /// The header of a new key of the tenant.
    pub(crate) async fn key(&self, tenant: &Tenant, scopes: &[Scope], only: Option<&[&str]>) -> String {
        // Straight into the store: a key without any scope cannot be made, a token without any can.
        let key = ApiKey::generate().unwrap();
        let record = KeyRecord {
            scopes: Scopes::new(scopes),
            credentials: only.map(|ids| ids.iter().map(|id| (*id).into()).collect()),
            ..crate::key::record(&key, tenant.caller.tenant.clone())
        };
        self.store.keys.insert(&record).await.unwrap();
        format!("Bearer {}", key.text().expose_secret())
    }

    pub(crate) async fn send(&self, method: &str, uri: &str, who: &str, body: Option<&str>) -> Answer {
        self.send_with(method, uri, who, body, &[]).await
    }

    pub(crate) async fn send_with(
        &self,
        method: &str,
        uri: &str,
        who: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(uri).header("x-request-id", REQUEST_ID);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
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

    /// Stores a credential at the pipeline CRM at `base_url`, without checking it. Returns its id.
    pub(crate) async fn at_pipeline(&self, key: &str, base_url: &str, secret: Value) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("linked {}", NEXT.fetch_add(1, Ordering::Relaxed));
        let body = json!({ "provider": "pipeline", "name": name, "settings": { "baseUrl": base_url },
            "secret": secret });
        let made = self.send("POST", "/credentials?verify=false", key, Some(&body.to_string())).await;
        made.json()["credential"]["credentialId"].as_str().unwrap().to_owned()
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

/// The memory of this process, in KiB.
pub(crate) fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
