//! The gateway in this process: the real parts on a database of its own, and the real router.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use contacts_gateway::api::{AppState, EdgeSettings, Readiness, RequestAdmission, router};
use contacts_gateway::app::{Components, SIMULATED};
use contacts_gateway::auth::{ApiKey, Issuers};
use contacts_gateway::config::{Limits, Quotas};
use contacts_gateway::domain::{
    CallContext, Caller, CredentialId, Principal, RawJson, Result, Scope, Scopes, TenantId,
};
use contacts_gateway::gateway::Gateway;
use contacts_gateway::gateway::credentials::CredentialDraft;
use contacts_gateway::sealing::{MasterKey, Sealer};
use contacts_gateway::store::{KeyRecord, Location, Store, TenantRecord, now};
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Transport};
use http::{Method, Request};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::reply::Reply;

/// The operator's token.
pub(crate) const ADMIN_TOKEN: &str = "the-operator-of-the-tests";

/// A gateway with one tenant, who may do everything.
pub(crate) struct TestGateway {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) store: Store,
    /// The tenant.
    pub(crate) caller: Caller,
    /// Who is let in; closed while the process stops.
    pub(crate) admission: Arc<RequestAdmission>,
    /// Whether the next look at readiness panics: a bug on order.
    pub(crate) broken: Arc<AtomicBool>,
    router: Router,
    folder: tempfile::TempDir,
}

/// How a gateway is set up.
pub(crate) struct Setup {
    /// The database's URL; by default a new SQLite file.
    pub(crate) database: Option<String>,
    /// By default a new one.
    pub(crate) master_key: Option<MasterKey>,
    /// Wraps the database.
    pub(crate) watch: fn(&mut Store),
    pub(crate) issuers: Issuers,
    pub(crate) limits: Limits,
    pub(crate) quotas: Quotas,
    /// Whether calls respect the rates that CRMs publish.
    pub(crate) is_paced: bool,
    /// How CRMs are reached; by default directly, on loopback.
    pub(crate) way: Option<(BaseUrlGuard, Transport)>,
    pub(crate) has_operator: bool,
    pub(crate) edge: EdgeSettings,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            database: None,
            master_key: None,
            watch: |_| {},
            issuers: Issuers::default(),
            // Tests come faster than any key may.
            limits: Limits { key_rate: None, ..Limits::default() },
            quotas: Quotas::default(),
            is_paced: false,
            way: None,
            has_operator: true,
            edge: EdgeSettings::default(),
        }
    }
}

/// Where an account is and how it is opened.
pub(crate) struct Link<'a> {
    pub(crate) base_url: String,
    /// What the CRM's simulator calls its token.
    pub(crate) secret: &'a str,
    pub(crate) settings: Value,
    pub(crate) verify: bool,
}

impl std::ops::Deref for TestGateway {
    type Target = Gateway;
    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl TestGateway {
    pub(crate) async fn open() -> Arc<Self> {
        Arc::new(Self::with(Setup::default()).await)
    }

    /// One that reaches CRMs over `transport`.
    pub(crate) async fn over(guard: BaseUrlGuard, transport: Transport) -> Arc<Self> {
        Arc::new(Self::with(Setup { way: Some((guard, transport)), ..Setup::default() }).await)
    }

    /// One that respects the limits which the CRMs publish.
    pub(crate) async fn paced() -> Arc<Self> {
        Arc::new(Self::with(Setup { is_paced: true, ..Setup::default() }).await)
    }

    /// One that waits only so long between the two lookups for a lost create.
    pub(crate) async fn settling(settle: Duration) -> Arc<Self> {
        let limits = Limits { settle, ..Setup::default().limits };
        Arc::new(Self::with(Setup { limits, ..Setup::default() }).await)
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let gateway = Self::without_tenant(setup).await;
        let id = gateway.caller.tenant.clone();
        gateway
            .store
            .tenants
            .insert(&TenantRecord { id, name: "first".into(), created_at: now() })
            .await
            .unwrap();
        gateway.store.keys.insert(&record(&key(), &gateway.caller)).await.unwrap();
        gateway
    }

    /// Two processes on one database.
    pub(crate) async fn two_on(url: &str) -> [Arc<Self>; 2] {
        let text = MasterKey::generate().unwrap().text().expose_secret().to_owned();
        let setup = || Setup {
            database: Some(url.to_owned()),
            master_key: Some(MasterKey::parse(&text).unwrap()),
            ..Setup::default()
        };
        let (first, second) = (Self::with(setup()).await, Self::without_tenant(setup()).await);
        let second = Self { caller: first.caller.clone(), ..second };
        [first, second].map(Arc::new)
    }

    async fn without_tenant(setup: Setup) -> Self {
        // Each gateway has a tenant of its own: what is known of names is kept by tenant.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let Setup { database, master_key, watch, issuers, limits, quotas, is_paced, way, has_operator, edge } =
            setup;
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite://{}/gateway.db", folder.path().display());
        let mut store =
            Store::open_with(&Location::parse(&database.unwrap_or(file)).unwrap(), quotas).await.unwrap();
        watch(&mut store);
        let (guard, transport) = way.unwrap_or_else(|| {
            let transport = transport().with_limits(limits);
            (loopback(), if is_paced { transport } else { transport.unpaced() })
        });
        let sealer = Sealer::new(&master_key.unwrap_or_else(|| MasterKey::generate().unwrap())).unwrap();
        let admin = has_operator.then(|| SecretString::from(ADMIN_TOKEN));
        let parts = Components::join(store, sealer, guard, transport, admin.as_ref(), issuers, limits);
        let (gateway, admission) = (Arc::new(parts.gateway), Arc::new(RequestAdmission::new(&limits)));
        let broken = Arc::new(AtomicBool::new(false));
        let (asked, fault) = (Arc::clone(&admission), Arc::clone(&broken));
        let readiness: Readiness = Arc::new(move || {
            assert!(!fault.load(Ordering::SeqCst), "a secret in the payload");
            let outcome = asked.refuse_if_closed();
            Box::pin(async move { outcome })
        });
        let state = AppState {
            gateway: Arc::clone(&gateway),
            authenticator: parts.authenticator,
            readiness,
            admission: Arc::clone(&admission),
            history: Arc::default(),
            edge,
        };
        let caller = caller(format!("ten_{}", NEXT.fetch_add(1, Ordering::Relaxed)).into());
        Self { gateway, store: parts.store, caller, admission, broken, router: router(state), folder }
    }

    /// Where its SQLite database is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A caller of a new tenant.
    pub(crate) async fn tenant(&self, name: &str) -> Caller {
        let operator = contacts_gateway::domain::Actor { principal: Principal::Operator, request_id: None };
        caller(self.tenants.create(&operator, name).await.unwrap().id)
    }

    /// The header of a new key of the caller's tenant.
    pub(crate) async fn key(&self, caller: &Caller, scopes: &[Scope], only: Option<&[&str]>) -> String {
        // Straight into the store: a key without any scope cannot be made, a token without any can.
        let key = ApiKey::generate().unwrap();
        let record = KeyRecord {
            scopes: Scopes::new(scopes),
            credentials: only.map(|ids| ids.iter().map(|id| (*id).into()).collect()),
            ..record(&key, caller)
        };
        self.store.keys.insert(&record).await.unwrap();
        format!("Bearer {}", key.text().expose_secret())
    }

    /// Links an account; the settings come on top of the base URL.
    pub(crate) async fn link(&self, caller: &Caller, provider: &str, link: Link<'_>) -> Result<CredentialId> {
        let secret = secret_of(provider, link.secret);
        self.link_with(caller, provider, &secret, link).await
    }

    /// The same with a secret of another form.
    pub(crate) async fn link_with(
        &self,
        caller: &Caller,
        provider: &str,
        secret: &str,
        link: Link<'_>,
    ) -> Result<CredentialId> {
        // Credentials of one tenant have names of their own.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut settings = json!({ "baseUrl": link.base_url });
        settings.as_object_mut().unwrap().extend(link.settings.as_object().unwrap().clone());
        let draft = CredentialDraft {
            provider: provider.into(),
            name: format!("{provider} {}", NEXT.fetch_add(1, Ordering::Relaxed)).into(),
            settings: RawJson::from_validated(settings.to_string().into()),
            secret: secret.into(),
        };
        Ok(self.credentials.create(&soon(), caller, draft, link.verify).await?.id)
    }

    /// Sends a request as it is. The body of the response is read as it comes.
    pub(crate) async fn response(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.response(request).await.into_parts();
        let text = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// A request of the tenant without a body, whose response is read as it comes.
    pub(crate) async fn stream(&self, method: &str, uri: &str) -> axum::response::Response {
        self.response(signed(method, uri).body(Body::empty()).unwrap()).await
    }

    /// A request of the tenant without a body.
    pub(crate) async fn ask(&self, method: &str, uri: &str) -> Reply {
        self.send(signed(method, uri).body(Body::empty()).unwrap()).await
    }

    /// A request of the tenant with a JSON body.
    pub(crate) async fn tell(&self, method: &str, uri: &str, body: impl Into<Body>) -> Reply {
        let request = signed(method, uri).header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }
}

/// The secret of a credential as JSON, where the CRM's simulator has this token.
pub(crate) fn secret_of(provider: &str, token: &str) -> String {
    let crm = SIMULATED.iter().find(|crm| crm.provider == provider).unwrap();
    (crm.secret)(token)
}

/// One client for all, as making one reads the machine's certificates; each gateway learns by itself who fails.
fn transport() -> Transport {
    static SHARED: OnceLock<Transport> = OnceLock::new();
    SHARED.get_or_init(|| Transport::new(&loopback()).unwrap()).clone()
}

/// The simulators' address is the one that may be reached.
fn loopback() -> BaseUrlGuard {
    BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap())
}

fn caller(tenant: TenantId) -> Caller {
    Caller {
        tenant,
        principal: Principal::Key("key".into()),
        scopes: Scopes::new(&Scope::ALL),
        credentials: None,
    }
}

/// The deadline of ordinary calls: far more than loopback needs.
pub(crate) fn soon() -> CallContext {
    CallContext::within(Duration::from_secs(10), "test".into())
}

/// A request of whom the path asks for.
pub(crate) fn signed(method: &str, uri: &str) -> http::request::Builder {
    let authorization = if uri.starts_with("/admin") { admin() } else { tenant() };
    Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(uri)
        .header("authorization", authorization)
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

/// The row of a key that may do everything.
fn record(key: &ApiKey, caller: &Caller) -> KeyRecord {
    KeyRecord {
        id: key.id().clone(),
        tenant: caller.tenant.clone(),
        name: "test".into(),
        digest: key.digest(),
        scopes: Scopes::new(&Scope::ALL),
        credentials: None,
        created_at: now(),
        expires_at: None,
        last_used_at: None,
    }
}
