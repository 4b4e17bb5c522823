//! A gateway with both simulated CRMs behind it, and tenants who distrust each other.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use contacts_gateway::config::Limits;
use contacts_gateway::domain::{Caller, Scope, TenantId};
use contacts_gateway::simulators::{Running, aptly, pipeline};
use contacts_gateway::upstream::{BaseUrlGuard, Transport};
use http::Request;
use serde_json::{Value, json};

use crate::contract::Contract;
use crate::reply::Reply;
use crate::test_gateway::{Link, Setup, TestGateway, secret_of};

/// The id that every request bears, so that responses can be compared byte by byte.
const REQUEST_ID: &str = "the-same-for-all";

/// One gateway, both CRMs.
pub(crate) struct Testbed {
    inner: TestGateway,
    pub(crate) aptly: Running,
    pub(crate) pipeline: Running,
    _contracts: [Contract; 2],
}

impl std::ops::Deref for Testbed {
    type Target = TestGateway;
    fn deref(&self) -> &TestGateway {
        &self.inner
    }
}

/// A tenant with a credential at each CRM.
pub(crate) struct Tenant {
    caller: Caller,
    /// At Aptly, then at the pipeline CRM.
    pub(crate) credentials: [String; 2],
}

impl Reply {
    /// The same with `path` taken out: the one thing beside the request id in which responses may differ.
    pub(crate) fn without(mut self, path: &str) -> Self {
        let instance = format!("\"instance\":{}", Value::from(path));
        self.text = self.text.replace(&instance, "\"instance\":\"\"");
        self.headers.remove("content-length");
        self
    }
}

impl Testbed {
    pub(crate) async fn open() -> Self {
        Self::with(Setup::default()).await
    }

    /// A gateway that reaches CRMs over `transport`.
    pub(crate) async fn over(guard: BaseUrlGuard, transport: Transport) -> Self {
        Self::with(Setup { way: Some((guard, transport)), ..Setup::default() }).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let aptly = aptly::AptlyOptions { people: 3, ..aptly::AptlyOptions::empty() };
        let pipeline = pipeline::PipelineOptions { people: 3, ..pipeline::PipelineOptions::empty() };
        let aptly = aptly::AptlySimulator::start(aptly).await.unwrap();
        let pipeline = pipeline::PipelineSimulator::start(pipeline).await.unwrap();
        // The attacks come faster than any key may, and no faster than the CRMs allow.
        let limits = Limits { key_rate: None, ..setup.limits };
        Self {
            inner: TestGateway::with(Setup { limits, is_paced: true, ..setup }).await,
            _contracts: [Contract::watch("aptly", &aptly), Contract::watch("pipeline", &pipeline)],
            aptly,
            pipeline,
        }
    }

    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let caller = self.inner.tenant(name).await;
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
        self.link_under(&tenant.caller, provider, &crm.base_url(), &secret.to_string()).await
    }

    async fn link(&self, caller: &Caller, provider: &str) -> String {
        let crm = if provider == "aptly" { &self.aptly } else { &self.pipeline };
        self.link_under(caller, provider, &crm.base_url(), &secret_of(provider, crm.token())).await
    }

    /// Adds a credential at a CRM that the test runs.
    pub(crate) async fn account(&self, tenant: &Tenant, base_url: &str, token: &str) -> String {
        self.link_under(&tenant.caller, "aptly", base_url, &secret_of("aptly", token)).await
    }

    async fn link_under(&self, caller: &Caller, provider: &str, base_url: &str, secret: &str) -> String {
        let settings = if provider == "pipeline" { json!({ "allowDelete": true }) } else { json!({}) };
        let link = Link { base_url: base_url.to_owned(), secret: "", settings, verify: false };
        self.link_with(caller, provider, secret, link).await.unwrap().as_str().to_owned()
    }

    /// The header of a new key of the tenant.
    pub(crate) async fn key(&self, tenant: &Tenant, scopes: &[Scope], only: Option<&[&str]>) -> String {
        self.inner.key(&tenant.caller, scopes, only).await
    }

    pub(crate) async fn send(&self, method: &str, uri: &str, who: &str, body: Option<&str>) -> Reply {
        self.send_with(method, uri, who, body, &[]).await
    }

    pub(crate) async fn send_with(
        &self,
        method: &str,
        uri: &str,
        who: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Reply {
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
        self.inner.send(request.body(body).unwrap()).await
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

/// The memory of this process, in KiB.
pub(crate) fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
