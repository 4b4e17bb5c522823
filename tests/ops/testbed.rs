//! One gateway whose log and metrics are read, and accounts at simulated CRMs.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contacts_gateway::simulators::{Running, aptly};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::front::fixture;
use crate::gateway_process::{ADMIN_TOKEN, GatewayProcess, master_key};
use crate::reply::Reply;

/// A timeout that is generous for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Requests per second of one key, and in a burst.
pub(crate) const KEY_RATE: usize = 30;
/// Requests of one tenant at the same time.
pub(crate) const IN_FLIGHT: usize = 8;

pub(crate) struct Testbed {
    pub(crate) gateway: GatewayProcess,
    pub(crate) folder: tempfile::TempDir,
    /// While it is held, nobody reads the log.
    pub(crate) log_reader: Arc<Mutex<()>>,
}

/// A key of a tenant, and a credential of that tenant.
pub(crate) struct Account {
    pub(crate) tenant: String,
    pub(crate) key_id: String,
    pub(crate) key: String,
    pub(crate) credential: String,
}

impl Testbed {
    pub(crate) async fn open() -> Self {
        Self::with(&[]).await
    }

    /// A gateway with further settings. It survives writes above the file size limit, and its log is no file, which such a limit
    /// would stop too.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "").unwrap();
        let mut process = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" serve", env!("CARGO_BIN_EXE_contacts-gateway")])
            .env_clear()
            .env("GATEWAY_LISTEN", "127.0.0.1:0")
            .env("GATEWAY_DATABASE_URL", format!("sqlite://{}/gateway.db", folder.path().display()))
            .env("GATEWAY_MASTER_KEY", master_key())
            .env("GATEWAY_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("GATEWAY_UPSTREAM_ALLOW", "127.0.0.1")
            .env("GATEWAY_KEY_RATE", KEY_RATE.to_string())
            .env("GATEWAY_KEY_BURST", KEY_RATE.to_string())
            .env("GATEWAY_TENANT_IN_FLIGHT", IN_FLIGHT.to_string())
            .env("SSL_CERT_FILE", fixture("ca.pem"))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut from, mut to) = (process.stderr.take().unwrap(), std::fs::File::create(&log).unwrap());
        let log_reader = Arc::new(Mutex::new(()));
        let reader = Arc::clone(&log_reader);
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut part) {
                let _held = reader.lock();
                to.write_all(&part[..count]).unwrap();
            }
        });
        Self { gateway: GatewayProcess::watching(process, log).await, folder, log_reader }
    }

    /// A gateway whose API is served with the certificate of this fixture. Its address is that of the metrics, without TLS.
    pub(crate) async fn with_tls(certificate: &str) -> Self {
        let (certificate, key) = (fixture(certificate), fixture("server.key"));
        let files = [("GATEWAY_TLS_CERTIFICATE", certificate.as_str()), ("GATEWAY_TLS_KEY", &key)];
        let mut bed = Self::with(&[files[0], files[1], ("GATEWAY_OPS_LISTEN", "127.0.0.1:0")]).await;
        let line = bed.line(&json!({ "message": "listening for health checks and scrapes" })).await;
        line["address"].as_str().unwrap().clone_into(&mut bed.gateway.address);
        bed
    }

    pub(crate) fn database(&self) -> String {
        format!("sqlite://{}/gateway.db", self.folder.path().display())
    }

    /// A new tenant whose credential leads to Aptly at `base_url`.
    pub(crate) async fn account(&self, name: &str, base_url: &str, secret: &str) -> Account {
        let body = json!({ "name": name }).to_string();
        let made = self.gateway.call("POST", "/admin/tenants", ADMIN_TOKEN, Some(body)).await.json();
        let tenant = made["tenant"]["id"].as_str().unwrap().to_owned();
        let (key_id, key) = self.gateway.key(&tenant).await;
        let settings = json!({ "baseUrl": base_url, "defaultRegion": "US" });
        let credential = json!({ "provider": "aptly", "name": name, "settings": settings,
            "secret": { "apiKey": secret } });
        let credential = self.gateway.link(&key, credential).await;
        Account { tenant, key_id, key, credential }
    }

    /// Reads a contact that the CRM may have, under a request id.
    pub(crate) async fn get(&self, account: &Account, contact: &str, id: &str) -> Reply {
        let path = format!("/crm/contacts/{contact}?credentialId={}", account.credential);
        let headers = [("x-request-id", id), ("x-request-timeout-ms", "1500")];
        self.gateway.call_with("GET", &path, &account.key, None, &headers).await
    }

    /// The lines of the log.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let log = self.gateway.logged();
        log.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }

    /// The first line that has these fields, once there is one.
    pub(crate) async fn line(&self, fields: &Value) -> Value {
        let began = Instant::now();
        loop {
            if let Some(line) = self.lines().into_iter().find(|line| has(line, fields)) {
                return line;
            }
            if began.elapsed() > PATIENCE {
                let log = self.gateway.logged();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                panic!("no line has {fields}; the last are:\n{}", last.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn scrape(&self) -> Scrape {
        let page = self.gateway.call("GET", "/metrics", "", None).await;
        assert_eq!(page.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        Scrape(page.text)
    }

    /// Waits until a series with this name and these labels satisfies `is`.
    pub(crate) async fn series(&self, selector: &str, is: impl Fn(f64) -> bool) {
        let began = Instant::now();
        loop {
            let scrape = self.scrape().await;
            if scrape.values(selector).into_iter().any(&is) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{selector} is not as expected in:\n{}", scrape.0);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// No file that the gateway writes may grow beyond `bytes`; `None` is unlimited.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let pid = Pid::from_raw(i32::try_from(self.gateway.id()).unwrap());
        prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    }

    pub(crate) fn size_of(&self, file: &str) -> u64 {
        std::fs::metadata(Path::join(self.folder.path(), file)).unwrap().len()
    }
}

/// Sends SIGHUP, and returns the log from then until `says`.
pub(crate) async fn hang_up_until(gateway: &GatewayProcess, says: &str) -> String {
    let before = gateway.logged().len();
    let id = gateway.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    let began = Instant::now();
    loop {
        let new = gateway.logged()[before..].to_owned();
        if new.contains(says) {
            return new;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{says}: {new}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether `line` has these fields with these values.
pub(crate) fn has(line: &Value, fields: &Value) -> bool {
    fields.as_object().unwrap().iter().all(|(name, value)| line.get(name) == Some(value))
}

/// A page of metrics.
pub(crate) struct Scrape(pub(crate) String);

impl Scrape {
    /// The values of the series with the name and the labels of `selector`, such as `name{code="x"}`.
    pub(crate) fn values(&self, selector: &str) -> Vec<f64> {
        let (name, labels) = selector.split_once('{').unwrap_or((selector, "}"));
        let labels: Vec<&str> =
            labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()).collect();
        let series = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let matching = series.filter(|(series, _)| {
            let (of, shown) = series.split_once('{').unwrap_or((series, ""));
            of == name && labels.iter().all(|label| shown.contains(label.trim_end_matches('"')))
        });
        matching.map(|(_, value)| value.parse().unwrap()).collect()
    }
}

/// A CRM without people.
pub(crate) async fn crm() -> Running {
    aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap()
}
