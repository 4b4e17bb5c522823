//! A gateway on a temporary database, with one fake CRM.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::fake;
use crate::auth::Authenticator;
use crate::config::Limits;
use crate::domain::{Actor, CallContext, Caller, Failure, Principal, RawJson, Scope, Scopes, TenantId, Text};
use crate::gateway::credentials::{Credential, CredentialDraft, CredentialResolver, Credentials};
use crate::gateway::{ApiKeys, Audit, Ledger, ListingRequest, Tenants};
use crate::sealing::{MasterKey, Sealer};
use crate::store::Store;
use crate::store::tests::TestPlace;
use crate::upstream::{AllowList, BaseUrlGuard, Transport};

pub(super) struct TestCredentials {
    pub(super) store: Store,
    pub(super) tenants: Tenants,
    pub(super) keys: ApiKeys,
    pub(super) credentials: Credentials,
    pub(super) authenticator: Arc<Authenticator>,
    /// The database lives as long as the house.
    _place: Arc<TestPlace>,
}

impl TestCredentials {
    pub(super) async fn new() -> Self {
        let place = Arc::new(TestPlace::new().await);
        Self::over(place, &MasterKey::generate().unwrap(), "other.internal").await
    }

    /// Another process over the same database.
    pub(super) async fn over(place: Arc<TestPlace>, key: &MasterKey, allowed: &str) -> Self {
        let store = Store::open(&place.location).await.unwrap();
        let sealer = Arc::new(Sealer::new(key).unwrap());
        let admin = SecretString::from("the-operators-token");
        let authenticator = Arc::new(Authenticator::new(store.keys.clone(), Some(&admin)));
        let guard = BaseUrlGuard::new(AllowList::parse(allowed).unwrap());
        let transport = Transport::new(&guard).unwrap();
        let audit = Audit::new(store.audit.clone(), sealer.clone());
        let resolver = Arc::new(CredentialResolver::new(
            store.credentials.clone(),
            sealer.clone(),
            guard,
            transport,
            fake::ADAPTERS,
        ));
        Self {
            tenants: Tenants::new(
                store.tenants.clone(),
                sealer.clone(),
                authenticator.clone(),
                resolver.clone(),
                audit.clone(),
            ),
            keys: ApiKeys::new(&store, sealer.clone(), authenticator.clone(), audit.clone()),
            credentials: Credentials::new(
                store.credentials.clone(),
                sealer.clone(),
                resolver,
                Ledger::new(&store, sealer, Limits::default()),
                audit,
            ),
            authenticator,
            store,
            _place: place,
        }
    }

    /// A caller of a new tenant who may do everything.
    pub(super) async fn tenant(&self, name: &str) -> Caller {
        caller(self.tenants.create(&operator(), name).await.unwrap().id)
    }

    pub(super) async fn add(&self, caller: &Caller, name: &str) -> Credential {
        self.credentials.create(&context(), caller, draft(name, "good"), true).await.unwrap()
    }
}

pub(super) fn caller(tenant: TenantId) -> Caller {
    Caller {
        tenant,
        principal: Principal::Key("key_x".into()),
        scopes: Scopes::new(&Scope::ALL),
        credentials: None,
    }
}

pub(super) fn context() -> CallContext {
    CallContext::within(Duration::from_secs(5), "req".into())
}

pub(super) fn json(text: &str) -> RawJson {
    RawJson::from_validated(Text::from(text))
}

pub(super) fn secret(key: &str) -> SecretString {
    format!(r#"{{"apiKey":"{key}"}}"#).into()
}

pub(super) fn draft(name: &str, key: &str) -> CredentialDraft {
    CredentialDraft { provider: "fake".into(), name: name.into(), settings: json("{}"), secret: secret(key) }
}

pub(super) fn page(size: u32) -> ListingRequest {
    ListingRequest { cursor: None, page_size: size }
}

/// Where the failure says that something must be mended.
pub(super) fn places(failure: &Failure) -> Vec<&str> {
    failure.faults.iter().map(|fault| fault.place.as_str()).collect()
}

/// The operator, who makes tenants and keys.
pub(super) fn operator() -> Actor {
    Actor { principal: Principal::Operator, request_id: Some("req".into()) }
}
