//! The real binary as a process of its own, which a test can start, ask, kill and start again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde_json::{Value, json};

/// The operator's token.
const ADMIN_TOKEN: &str = "operator-of-the-proofs-4mtlp";
/// How long a start may take on a busy machine.
const LONGEST_START: Duration = Duration::from_secs(30);

/// What outlives a process: its folder, its database, its master key.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    database: String,
    master_key: String,
}

impl Home {
    /// A home with this database, else with a SQLite file in its folder.
    pub(crate) fn new(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .env_clear()
            .args(["master-key", "generate"])
            .output()
            .unwrap();
        let database = database.unwrap_or_else(|| format!("sqlite://{}/gateway.db", folder.path().display()));
        Self { folder, database, master_key: String::from_utf8(made.stdout).unwrap().trim().to_owned() }
    }

    /// Where logs and a SQLite database are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A gateway that runs; killed with the test.
pub(crate) struct Gateway {
    pub(crate) process: Child,
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    log: PathBuf,
}

/// An answer over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The problem's code; empty where it is none.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// One header; empty where it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it says that it is a replay.
    pub(crate) fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == "true"
    }
}

/// A caller from outside, who waits longer than any deadline.
#[expect(clippy::disallowed_methods, reason = "a caller from outside; the gateway's own client is not his")]
pub(crate) fn caller() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.retry(reqwest::retry::never()).timeout(Duration::from_secs(45)).build().unwrap()
}

impl Gateway {
    /// Starts one on `home`; what it logs goes to the file `name` there. `more` are further settings.
    pub(crate) async fn start(home: &Home, name: &str, more: &[(&str, &str)]) -> Self {
        let log = home.folder().join(name);
        let process = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"))
            .arg("serve")
            .env_clear()
            .env("GATEWAY_LISTEN", "127.0.0.1:0")
            .env("GATEWAY_DATABASE_URL", &home.database)
            .env("GATEWAY_MASTER_KEY", &home.master_key)
            .env("GATEWAY_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("GATEWAY_UPSTREAM_ALLOW", "127.0.0.1")
            .env("GATEWAY_LOG", "debug")
            .env("GATEWAY_LOG_FORMAT", "json")
            // The proofs send more at once than a caller may; limits have tests of their own.
            .envs([
                ("GATEWAY_KEY_RATE", "0"),
                ("GATEWAY_TENANT_IN_FLIGHT", "0"),
                ("GATEWAY_CREDENTIAL_IN_FLIGHT", "0"),
            ])
            .envs(more.iter().copied())
            .current_dir(home.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut gateway = Self { process, url: String::new(), log };
        gateway.url = gateway.listening().await;
        gateway
    }

    async fn listening(&mut self) -> String {
        let began = Instant::now();
        while began.elapsed() < LONGEST_START {
            let lines = self.logged();
            let line = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = line.into_iter().find(|line| line["message"] == "listening") {
                return format!("http://{}", line["address"].as_str().unwrap());
            }
            assert!(self.process.try_wait().unwrap().is_none(), "it ended: {lines}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not listen: {}", self.logged())
    }

    /// Everything logged so far.
    pub(crate) fn logged(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// A new tenant's key that may do everything.
    pub(crate) async fn tenant(&self, client: &reqwest::Client) -> String {
        let made =
            post(client, &format!("{}/admin/tenants", self.url), ADMIN_TOKEN, &json!({ "name": "one" }))
                .await;
        let tenant = made["tenant"]["id"].as_str().unwrap();
        let scopes = ["contacts:read", "contacts:write", "credentials:read", "credentials:write"];
        let url = format!("{}/admin/tenants/{tenant}/keys", self.url);
        let made = post(client, &url, ADMIN_TOKEN, &json!({ "name": "key", "scopes": scopes })).await;
        made["secret"].as_str().unwrap().to_owned()
    }

    /// A credential of the key's tenant for the account at `base_url`, unseen by the CRM; its id.
    pub(crate) async fn link(&self, client: &reqwest::Client, key: &str, account: &Account<'_>) -> String {
        let Account { provider, base_url, token } = account;
        let member = if *provider == "aptly" { "apiKey" } else { "token" };
        let port = base_url.rsplit(':').next().unwrap();
        let credential = json!({ "provider": provider, "name": format!("{provider} {port} {}", names()),
            "settings": { "baseUrl": base_url }, "secret": { member: token } });
        let made = post(client, &format!("{}/credentials?verify=false", self.url), key, &credential).await;
        made["credential"]["credentialId"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// An account at a CRM.
pub(crate) struct Account<'a> {
    pub(crate) provider: &'a str,
    pub(crate) base_url: &'a str,
    pub(crate) token: &'a str,
}

/// Ports come again, names of credentials do not.
fn names() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn post(client: &reqwest::Client, url: &str, who: &str, body: &Value) -> Value {
    let request = client.post(url).header("authorization", format!("Bearer {who}"));
    let request = request.header("content-type", "application/json").body(body.to_string());
    send(request).await.unwrap().json()
}

/// Sends a request and reads the whole answer.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
    let reply = request.send().await?;
    Ok(Reply { status: reply.status().as_u16(), headers: reply.headers().clone(), text: reply.text().await? })
}
