//! The whole API in this process, without limits, and its responses.

use std::sync::Arc;

use contacts_gateway::config::Limits;
use contacts_gateway::simulators::Running;
use serde_json::Value;

use crate::test_gateway::{Link, Setup, TestGateway};

/// One account at a CRM, as a client of the API uses it.
#[derive(Clone)]
pub(crate) struct Account {
    api: Arc<TestGateway>,
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

/// The API with one tenant, without limits.
pub(crate) async fn open() -> Arc<TestGateway> {
    let limits =
        Limits { key_rate: None, tenant_in_flight: None, credential_in_flight: None, ..Limits::default() };
    Arc::new(TestGateway::with(Setup { limits, ..Setup::default() }).await)
}

/// Links an account at a simulated CRM.
pub(crate) async fn link(api: &Arc<TestGateway>, provider: &str, at: &Running, settings: Value) -> Account {
    let link = Link { base_url: at.base_url(), secret: at.token(), settings, verify: false };
    let credential = api.link(&api.caller, provider, link).await.unwrap().as_str().to_owned();
    Account { api: Arc::clone(api), credential }
}

impl Account {
    /// A call to `/crm/contacts` + `path`; `query` comes after the credential.
    pub(crate) async fn call(&self, method: &str, path: &str, query: &str, body: Option<&Value>) -> Response {
        let uri = format!("/crm/contacts{path}?credentialId={}{query}", self.credential);
        let body = body.map_or_else(String::new, Value::to_string);
        let reply = self.api.tell(method, &uri, body).await;
        Response { status: reply.status, body: reply.json() }
    }
}
