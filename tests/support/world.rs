//! A gateway with one tenant, and CRMs it holds a credential for; each case makes its own.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use contacts_gateway::adapters::{AdapterSpec, IdentityKind, spec};
use contacts_gateway::app::Components;
use contacts_gateway::auth::Issuers;
use contacts_gateway::config::Limits;
use contacts_gateway::domain::{
    Actor, CallContext, Caller, ContactQuery, CredentialId, Failure, Filter, FilterKind, FilterName,
    FilterValue, Principal, RawJson, Result, Scope, Scopes, WarningCode,
};
use contacts_gateway::gateway::contacts::{
    Condition, ContactPage, ContactView, Contacts, ListRequest, PageStart, ResponseBuilder, WriteOptions,
    WriteRequest,
};
use contacts_gateway::gateway::credentials::CredentialDraft;
use contacts_gateway::gateway::writes::StoredResponse;
use contacts_gateway::sealing::{MasterKey, Sealer};
use contacts_gateway::simulators::{RecordedCall, Running, aptly, pipeline};
use contacts_gateway::store::{Location, Store};
use contacts_gateway::upstream::{AllowList, BaseUrlGuard, Lookup, Transport};
use serde_json::{Value, json};

use super::contract::Contract;
use super::person::{draft, patch, upsert};

/// One process of the gateway: a store in a folder of its own, one tenant, one key that may do everything.
pub(crate) struct Office {
    pub(crate) parts: Components,
    pub(crate) caller: Caller,
    folder: tempfile::TempDir,
}

impl Office {
    pub(crate) async fn open() -> Arc<Self> {
        Self::over(loopback(), transport()).await
    }

    /// One whose operator allows `allowed`, with a resolver of its own.
    pub(crate) async fn reaching(allowed: &str, lookup: Arc<dyn Lookup>) -> Arc<Self> {
        let guard = BaseUrlGuard::new(AllowList::parse(allowed).unwrap());
        let transport = Transport::with_lookup(&guard, lookup).unwrap();
        Self::over(guard, transport).await
    }

    /// One that keeps the limits which the CRMs publish.
    pub(crate) async fn paced() -> Arc<Self> {
        Self::over(loopback(), transport().with_limits(Limits::default())).await
    }

    /// One that waits only so long between the two looks for a lost create.
    pub(crate) async fn settling(settle: Duration) -> Arc<Self> {
        Self::keeping(Limits { settle, ..Limits::default() }).await
    }

    async fn keeping(limits: Limits) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/gateway.db", folder.path().display());
        let parts = parts(&url, &MasterKey::generate().unwrap(), loopback(), transport(), limits).await;
        let caller = Self::tenant(&parts, "first").await;
        Arc::new(Self { parts, caller, folder })
    }

    /// Two processes on one database.
    pub(crate) async fn two_on(url: &str) -> [Arc<Self>; 2] {
        let (key, limits) = (MasterKey::generate().unwrap(), Limits::default());
        let first = parts(url, &key, loopback(), transport(), limits).await;
        let second = parts(url, &key, loopback(), transport(), limits).await;
        let caller = Self::tenant(&first, "first").await;
        [first, second].map(|parts| {
            Arc::new(Self { parts, caller: caller.clone(), folder: tempfile::tempdir().unwrap() })
        })
    }

    pub(crate) async fn over(guard: BaseUrlGuard, transport: Transport) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/gateway.db", folder.path().display());
        let key = MasterKey::generate().unwrap();
        let parts = parts(&url, &key, guard, transport, Limits::default()).await;
        let caller = Self::tenant(&parts, "first").await;
        Arc::new(Self { parts, caller, folder })
    }

    /// Where its SQLite database is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A caller of a new tenant.
    pub(crate) async fn another_tenant(&self) -> Caller {
        assert!(self.folder.path().exists());
        Self::tenant(&self.parts, "second").await
    }

    async fn tenant(parts: &Components, name: &str) -> Caller {
        let tenant = parts.gateway.tenants.create(&Actor::command_line(), name).await.unwrap().id;
        Caller {
            tenant,
            principal: Principal::Key("key".into()),
            scopes: Scopes::new(&Scope::ALL),
            credentials: None,
        }
    }

    /// Links an account; the settings come on top of the base URL.
    pub(crate) async fn link(&self, caller: &Caller, provider: &str, link: Link<'_>) -> Result<CredentialId> {
        let Link { base_url, secret, settings, verify } = link;
        let mut settings = settings.as_object().cloned().unwrap_or_default();
        settings.insert("baseUrl".to_owned(), json!(base_url));
        let member = if provider == "aptly" { "apiKey" } else { "token" };
        let draft = CredentialDraft {
            provider: provider.into(),
            name: format!("{provider} {}", names()).into(),
            settings: RawJson::from_validated(Value::Object(settings).to_string().into()),
            secret: json!({ member: secret }).to_string().into(),
        };
        let made = self.parts.gateway.credentials.create(&soon(), caller, draft, verify).await?;
        Ok(made.id)
    }
}

async fn parts(
    url: &str,
    key: &MasterKey,
    guard: BaseUrlGuard,
    transport: Transport,
    limits: Limits,
) -> Components {
    let store = Store::open(&Location::parse(url).unwrap()).await.unwrap();
    Components::join(store, Sealer::new(key).unwrap(), guard, transport, None, Issuers::default(), limits)
}

/// One client for all cases, as making one reads the machine's certificates; each case learns by itself who fails, and
/// may hurry more than a CRM would let it.
fn transport() -> Transport {
    static SHARED: OnceLock<Transport> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Transport::new(&loopback()).unwrap());
    shared.clone().with_limits(Limits::default()).unpaced()
}

/// The simulators' address is the one that may be reached.
fn loopback() -> BaseUrlGuard {
    BaseUrlGuard::new(AllowList::parse("127.0.0.1").unwrap())
}

/// Where an account is and how it is opened.
pub(crate) struct Link<'a> {
    pub(crate) base_url: String,
    pub(crate) secret: &'a str,
    pub(crate) settings: Value,
    pub(crate) verify: bool,
}

/// Credentials of one tenant have names of their own.
fn names() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The deadline of ordinary calls: far more than loopback needs.
pub(crate) fn soon() -> CallContext {
    CallContext::within(Duration::from_secs(10), "test".into())
}

/// A deadline that comes soon.
pub(crate) fn hurried() -> CallContext {
    CallContext::within(Duration::from_millis(800), "test".into())
}

/// One account at a CRM, as a caller sees it through the gateway.
pub(crate) struct Account {
    pub(crate) office: Arc<Office>,
    pub(crate) credential: CredentialId,
    pub(crate) spec: &'static AdapterSpec,
}

impl Account {
    pub(crate) async fn link(office: &Arc<Office>, provider: &str, link: Link<'_>) -> Self {
        let credential = office.link(&office.caller, provider, link).await.unwrap();
        Self { office: Arc::clone(office), credential, spec: spec(provider).unwrap() }
    }

    pub(crate) async fn get(&self, id: &str) -> Result<ContactView> {
        self.get_within(&soon(), id).await
    }

    pub(crate) async fn get_within(&self, context: &CallContext, id: &str) -> Result<ContactView> {
        self.office.parts.gateway.contacts.get(context, &self.office.caller, &self.credential, id).await
    }

    pub(crate) async fn create(&self, contact: Value) -> Result<ContactView> {
        self.create_within(&soon(), contact, WriteOptions::default()).await
    }

    pub(crate) async fn create_strictly(&self, contact: Value) -> Result<ContactView> {
        self.create_within(&soon(), contact, WriteOptions { strict: true }).await
    }

    pub(crate) async fn create_within(
        &self,
        context: &CallContext,
        contact: Value,
        options: WriteOptions,
    ) -> Result<ContactView> {
        let (request, shown) = self.request(context, options);
        self.contacts().create(request, draft(&contact)).await?;
        Ok(shown.take())
    }

    pub(crate) async fn update(&self, id: &str, change: Value) -> Result<ContactView> {
        self.update_within(&soon(), id, change, WriteOptions::default()).await
    }

    pub(crate) async fn update_within(
        &self,
        context: &CallContext,
        id: &str,
        change: Value,
        options: WriteOptions,
    ) -> Result<ContactView> {
        let (request, shown) = self.request(context, options);
        self.contacts().update(request, id, patch(&change)).await?;
        Ok(shown.take())
    }

    /// A change under a condition: `*`, or tags.
    pub(crate) async fn update_if(&self, tags: &[&str], id: &str, change: Value) -> Result<ContactView> {
        let (request, shown) = self.request(&soon(), WriteOptions::default());
        let request = WriteRequest { condition: Some(condition(tags)), ..request };
        self.contacts().update(request, id, patch(&change)).await?;
        Ok(shown.take())
    }

    /// A removal under a condition: `*`, or tags.
    pub(crate) async fn delete_if(&self, tags: &[&str], id: &str) -> Result<()> {
        let (request, _) = self.request(&soon(), WriteOptions::default());
        let request = WriteRequest { condition: Some(condition(tags)), ..request };
        self.contacts().delete(request, id).await.map(|_| ())
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<()> {
        let (request, _) = self.request(&soon(), WriteOptions::default());
        self.contacts().delete(request, id).await.map(|_| ())
    }

    pub(crate) async fn upsert(
        &self,
        contact: Value,
        match_on: Option<Vec<IdentityKind>>,
    ) -> Result<ContactView> {
        let (request, shown) = self.request(&soon(), WriteOptions::default());
        self.contacts().upsert(request, upsert(&contact), match_on).await?;
        Ok(shown.take())
    }

    pub(crate) fn contacts(&self) -> &Contacts {
        &self.office.parts.gateway.contacts
    }

    /// A write without a key, and where the contact that it shows is put.
    pub(crate) fn request(&self, context: &CallContext, options: WriteOptions) -> (WriteRequest, Rendered) {
        let (rendered, render) = Rendered::new();
        let (caller, credential) = (self.office.caller.clone(), self.credential.clone());
        let context = context.clone();
        let request =
            WriteRequest { context, caller, credential, options, condition: None, once: None, render };
        (request, rendered)
    }

    pub(crate) async fn page(&self, number: u64, size: u32) -> Result<ContactPage> {
        self.list(&[], PageStart::PageNumber(number), size).await
    }

    pub(crate) async fn list(
        &self,
        filters: &[(&str, &str)],
        start: PageStart,
        size: u32,
    ) -> Result<ContactPage> {
        self.list_within(&soon(), filters, start, size).await
    }

    pub(crate) async fn list_within(
        &self,
        context: &CallContext,
        filters: &[(&str, &str)],
        start: PageStart,
        size: u32,
    ) -> Result<ContactPage> {
        let request = ListRequest { query: query(filters), start, page_size: size };
        let (contacts, caller) = (&self.office.parts.gateway.contacts, &self.office.caller);
        contacts.list(context, caller, &self.credential, &request).await
    }

    pub(crate) async fn count(&self, filters: &[(&str, &str)]) -> Result<u64> {
        let (contacts, caller) = (&self.office.parts.gateway.contacts, &self.office.caller);
        contacts.count(&soon(), caller, &self.credential, &query(filters)).await
    }

    pub(crate) fn is(&self, provider: &str) -> bool {
        self.spec.provider.as_str() == provider
    }
}

/// The condition that a header with these would set.
pub(crate) fn condition(tags: &[&str]) -> Condition {
    match tags {
        ["*"] => Condition::Exists,
        tags => Condition::OneOf(tags.iter().map(|tag| (*tag).into()).collect()),
    }
}

/// Filters by parameter name.
pub(crate) fn query(filters: &[(&str, &str)]) -> ContactQuery {
    let of = |(name, value): &(&str, &str)| {
        let name = FilterName::parse(name).unwrap();
        let value = match name.kind() {
            FilterKind::Text => FilterValue::Text((*value).into()),
            FilterKind::Time => FilterValue::Time(value.parse().unwrap()),
        };
        Filter { name, value }
    };
    let mut filters: Vec<Filter> = filters.iter().map(of).collect();
    filters.sort_by_key(|filter| FilterName::ALL.iter().position(|name| *name == filter.name));
    ContactQuery { filters }
}

/// The contact that a write shows, caught where the API would write it as JSON.
pub(crate) struct Rendered(Arc<Mutex<Option<ContactView>>>);

impl Rendered {
    pub(crate) fn new() -> (Self, ResponseBuilder) {
        let caught = Arc::new(Mutex::new(None));
        let inside = Arc::clone(&caught);
        let render: ResponseBuilder = Arc::new(move |outcome| {
            let status = outcome.map_or(400, |_| 200);
            *inside.lock().unwrap() = outcome.ok().cloned();
            Ok(StoredResponse { status, headers: Vec::new(), body: Vec::new(), replayed: false })
        });
        (Self(caught), render)
    }

    pub(crate) fn take(&self) -> ContactView {
        self.0.lock().unwrap().take().unwrap()
    }
}

/// A simulated CRM with an account at it.
pub(crate) struct Crm {
    pub(crate) account: Account,
    pub(crate) at: Running,
    _contract: Contract,
}

impl std::ops::Deref for Crm {
    type Target = Account;
    fn deref(&self) -> &Account {
        &self.account
    }
}

impl Crm {
    pub(crate) async fn aptly(options: aptly::AptlyOptions, settings: Value) -> Self {
        Self::of("aptly", aptly::AptlySimulator::start(options).await.unwrap(), settings).await
    }

    pub(crate) async fn pipeline(options: pipeline::PipelineOptions, settings: Value) -> Self {
        Self::of("pipeline", pipeline::PipelineSimulator::start(options).await.unwrap(), settings).await
    }

    async fn of(provider: &str, at: Running, settings: Value) -> Self {
        let account = linked(&Office::open().await, provider, &at, settings).await;
        Self::watched(account, at)
    }

    /// A simulated CRM whose calls are judged by its contract from now on.
    pub(crate) fn watched(account: Account, at: Running) -> Self {
        let contract = Contract::watch(account.spec.provider.as_str(), &at);
        Self { account, at, _contract: contract }
    }

    /// A simulated CRM behind a gateway that settles lost creates fast.
    pub(crate) async fn settling(at: Running, provider: &str, settings: Value, settle: Duration) -> Self {
        let account = linked(&Office::settling(settle).await, provider, &at, settings).await;
        Self::watched(account, at)
    }

    /// The same account, through a gateway that has learnt nothing about this CRM yet.
    pub(crate) async fn afresh(&self) -> Account {
        linked(&Office::open().await, self.spec.provider.as_str(), &self.at, json!({})).await
    }

    /// The same account, through a gateway that keeps the CRM's limits, under these settings.
    pub(crate) async fn paced(&self, settings: Value) -> Account {
        linked(&Office::paced().await, self.spec.provider.as_str(), &self.at, settings).await
    }

    /// The stored record, as the CRM spells it.
    pub(crate) fn stored(&self, shown: &ContactView) -> Value {
        self.at.contact(shown.contact.remote_id.as_str()).unwrap()
    }

    /// Calls that could have written, whatever they did.
    pub(crate) fn sent(&self) -> Vec<RecordedCall> {
        self.at.calls().into_iter().filter(|call| call.method != "GET").collect()
    }

    /// The body of the only write sent.
    pub(crate) fn only_body(&self) -> Value {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        serde_json::from_str(&sent[0].body).unwrap()
    }

    /// Puts somebody in as this CRM spells them, without a call.
    pub(crate) fn put(&self, first: &str, last: &str, email: &str, phone: &str) -> String {
        let contact = if self.is("aptly") {
            json!({ "firstname": first, "lastname": last, "email": [email],
                "phone": [{ "number": phone, "type": "mobile" }] })
        } else {
            json!({ "firstName": first, "lastName": last, "email": email,
                "phoneNumber": [{ "value": phone, "isPrimary": true }] })
        };
        self.at.put(contact).unwrap()
    }

    /// Nothing was sent that could write, and nobody was harmed.
    pub(crate) fn assert_nothing_sent(&self) {
        assert!(self.sent().is_empty(), "{:?}", self.sent());
        self.assert_no_alarm();
    }

    /// No call at all reached the CRM.
    pub(crate) fn assert_silence(&self) {
        assert!(self.at.calls().is_empty(), "{:?}", self.at.calls());
    }

    pub(crate) fn assert_no_alarm(&self) {
        assert!(self.at.journal().alarms().is_empty(), "{:?}", self.at.journal().alarms());
        assert!(self.at.journal().calls_to("POST", "/api/contacts/by-email").is_empty());
    }
}

pub(crate) async fn linked(office: &Arc<Office>, provider: &str, at: &Running, settings: Value) -> Account {
    let link = Link { base_url: at.base_url(), secret: at.token(), settings, verify: false };
    Account::link(office, provider, link).await
}

/// Both CRMs with nobody in them.
pub(crate) async fn both() -> [Crm; 2] {
    both_with(aptly::AptlyOptions::empty(), pipeline::PipelineOptions::empty()).await
}

/// Both CRMs with people of the demonstration.
pub(crate) async fn both_with_people(people: usize) -> [Crm; 2] {
    let aptly = aptly::AptlyOptions { people, ..aptly::AptlyOptions::empty() };
    both_with(aptly, pipeline::PipelineOptions { people, ..pipeline::PipelineOptions::empty() }).await
}

pub(crate) async fn both_with(aptly: aptly::AptlyOptions, pipeline: pipeline::PipelineOptions) -> [Crm; 2] {
    [Crm::aptly(aptly, json!({})).await, Crm::pipeline(pipeline, json!({})).await]
}

/// Codes and pointers of warnings, in order.
pub(crate) fn warned(shown: &ContactView) -> Vec<(WarningCode, &str)> {
    shown.warnings.iter().map(|warning| (warning.code, warning.pointer.as_str())).collect()
}

/// The places that a failure names.
pub(crate) fn places(failure: &Failure) -> Vec<&str> {
    failure.faults.iter().map(|fault| fault.place.as_str()).collect()
}
