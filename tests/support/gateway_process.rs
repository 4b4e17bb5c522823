//! The real binary as a process of its own, which a test can start, ask, kill and start again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use contacts_gateway::app::SIMULATED;
use contacts_gateway::simulators::Running;
use serde_json::{Value, json};

use crate::reply::Reply;

/// The operator's token.
pub(crate) const ADMIN_TOKEN: &str = "operator-k7wq2zx9vbn4mtlp";
/// How long a start may take on a busy machine.
const LONGEST_START: Duration = Duration::from_secs(30);

/// A gateway that runs, ended with the test.
pub(crate) struct GatewayProcess {
    pub(crate) process: Child,
    pub(crate) address: String,
    pub(crate) log: PathBuf,
    client: reqwest::Client,
}

/// A new master key.
pub(crate) fn master_key() -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
        .env_clear()
        .args(["master-key", "generate"])
        .output()
        .unwrap();
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// The secret of a credential as JSON, where the CRM's simulator has this token.
pub(crate) fn secret_of(provider: &str, token: &str) -> String {
    let crm = SIMULATED.iter().find(|crm| crm.provider == provider).unwrap();
    (crm.secret)(token)
}

/// A caller from outside, who waits longer than any deadline.
#[expect(clippy::disallowed_methods, reason = "a caller from outside; the gateway's own client is not his")]
pub(crate) fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.retry(reqwest::retry::never()).timeout(Duration::from_secs(45)).build().unwrap()
}

/// Sends a request and reads the whole response.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
    let reply = request.send().await?;
    Ok(Reply { status: reply.status().as_u16(), headers: reply.headers().clone(), text: reply.text().await? })
}

impl GatewayProcess {
    /// Serves the database in `folder`; logs go to `folder/name`. `more` are further settings, and stand over these.
    pub(crate) async fn start(folder: &Path, name: &str, master_key: &str, more: &[(&str, &str)]) -> Self {
        let log = folder.join(name);
        let process = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .arg("serve")
            .env_clear()
            .env("GATEWAY_LISTEN", "127.0.0.1:0")
            .env("GATEWAY_DATABASE_URL", format!("sqlite://{}/gateway.db", folder.display()))
            .env("GATEWAY_MASTER_KEY", master_key)
            .env("GATEWAY_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("GATEWAY_UPSTREAM_ALLOW", "127.0.0.1")
            .env("GATEWAY_LOG", "debug")
            .env("GATEWAY_LOG_FORMAT", "json")
            .envs(more.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self::watching(process, log).await
    }

    /// The gateway that runs as `process` and writes its log, in JSON, to the file `log`.
    pub(crate) async fn watching(process: Child, log: PathBuf) -> Self {
        let mut gateway = Self { process, address: String::new(), log, client: client() };
        gateway.address = gateway.listening().await;
        gateway
    }

    /// The address, once the log tells it.
    async fn listening(&mut self) -> String {
        let began = Instant::now();
        while began.elapsed() < LONGEST_START {
            let lines = self.logged();
            let line = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = line.into_iter().find(|line| line["message"] == "listening") {
                return line["address"].as_str().unwrap().to_owned();
            }
            assert!(self.runs(), "it ended: {lines}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not listen: {}", self.logged())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything logged so far.
    pub(crate) fn logged(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// A call as `who`; a body goes as JSON.
    pub(crate) async fn call(&self, method: &str, path: &str, who: &str, body: Option<String>) -> Reply {
        self.call_with(method, path, who, body, &[]).await
    }

    /// The same with further headers.
    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        who: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let is_read = method == "GET";
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url()));
        if !who.is_empty() {
            request = request.header("authorization", format!("Bearer {who}"));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // As any client does: a read is sent again where the server closed the idle connection at the same time.
        let again = request.try_clone().filter(|_| is_read);
        match (send(request).await, again) {
            (Err(error), Some(again)) if error.is_request() && !error.is_timeout() => {
                send(again).await.unwrap()
            }
            (reply, _) => reply.unwrap(),
        }
    }

    /// A new tenant, and a key of it that may do everything.
    pub(crate) async fn tenant(&self, name: &str) -> (String, String) {
        let body = json!({ "name": name }).to_string();
        let made = self.call("POST", "/admin/tenants", ADMIN_TOKEN, Some(body)).await.json();
        let tenant = made["tenant"]["id"].as_str().unwrap().to_owned();
        let (_, key) = self.key(&tenant).await;
        (tenant, key)
    }

    /// A new key of the tenant: its id and its text.
    pub(crate) async fn key(&self, tenant: &str) -> (String, String) {
        let scopes = ["contacts:read", "contacts:write", "credentials:read", "credentials:write"];
        let body = json!({ "name": "key", "scopes": scopes }).to_string();
        let path = format!("/admin/tenants/{tenant}/keys");
        let made = self.call("POST", &path, ADMIN_TOKEN, Some(body)).await.json();
        (made["key"]["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }

    /// Stores a credential unseen by the CRM; answers its id.
    pub(crate) async fn link(&self, key: &str, credential: Value) -> String {
        let made = self.call("POST", "/credentials?verify=false", key, Some(credential.to_string())).await;
        made.json()["credential"]["credentialId"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned()
    }

    /// The same for an account at a simulated CRM, which is reached at `base_url`.
    pub(crate) async fn link_at(&self, key: &str, provider: &str, base_url: &str, crm: &Running) -> String {
        // Ports come again, names of credentials do not.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let secret: Value = serde_json::from_str(&secret_of(provider, crm.token())).unwrap();
        let name = format!("{provider} {}", NEXT.fetch_add(1, Ordering::Relaxed));
        let settings = json!({ "baseUrl": base_url });
        self.link(key, json!({ "provider": provider, "name": name, "settings": settings, "secret": secret }))
            .await
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
