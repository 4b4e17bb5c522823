//! Gateways on one database, which are killed, and both simulated CRMs behind them, which are not.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contacts_gateway::simulators::{Running, aptly, pipeline};
use sqlx::{Connection, PgConnection};
use tokio::sync::RwLock;

use super::contract::Contract;
use super::gateway_process::{GatewayProcess, client, master_key};
use super::postgres::Server;

/// Short times, so that a test waits for them (a thousand is the least that a lease may have), and no limits: the proofs
/// send more at once than a caller may.
const SETTINGS: [(&str, &str); 5] = [
    ("GATEWAY_SETTLE_MS", "1500"),
    ("GATEWAY_LEASE_MS", "1000"),
    ("GATEWAY_KEY_RATE", "0"),
    ("GATEWAY_TENANT_IN_FLIGHT", "0"),
    ("GATEWAY_CREDENTIAL_IN_FLIGHT", "0"),
];

/// Creates through one Aptly credential: its documented allowance is 120 calls a minute, and a create takes several.
const CREATES_OF_ONE: usize = 12;

/// One database, one tenant, both CRMs, and the gateways that run.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    database: String,
    master_key: String,
    pub(crate) crms: [Running; 2],
    _contracts: [Contract; 2],
    pub(crate) client: reqwest::Client,
    /// The tenant's key.
    pub(crate) key: String,
    /// Credentials by CRM.
    credentials: [Vec<String>; 2],
    /// Where the gateways listen now; a place is empty while its gateway is down.
    urls: RwLock<Vec<Option<String>>>,
    gateways: Vec<tokio::sync::Mutex<Option<GatewayProcess>>>,
    started: AtomicU32,
}

/// The URL of a new PostgreSQL database; nothing where PostgreSQL is not installed, which is said aloud.
pub(crate) async fn postgres() -> Option<String> {
    let server = Server::shared()?;
    let name = server.new_name();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
    Some(server.url(&name))
}

/// The names of the CRMs, in the order of everything that is by CRM.
pub(crate) const PROVIDERS: [&str; 2] = ["aptly", "pipeline"];

impl Cluster {
    /// So many gateways on one database, `orders` for the first of them, and credentials for so many creates.
    pub(crate) async fn set(
        database: Option<String>,
        gateways: usize,
        creates: usize,
        orders: &[(&str, &str)],
    ) -> Self {
        let aptly = aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap();
        let pipeline = pipeline::PipelineSimulator::start(pipeline::PipelineOptions::empty()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self {
            database: database.unwrap_or_else(|| format!("sqlite://{}/gateway.db", folder.path().display())),
            folder,
            master_key: master_key(),
            _contracts: [Contract::watch("aptly", &aptly), Contract::watch("pipeline", &pipeline)],
            crms: [aptly, pipeline],
            client: client(),
            key: String::new(),
            credentials: [Vec::new(), Vec::new()],
            urls: RwLock::new(vec![None; gateways]),
            gateways: (0..gateways).map(|_| tokio::sync::Mutex::new(None)).collect(),
            started: AtomicU32::new(0),
        };
        for place in 0..gateways {
            cluster.start(place, if place == 0 { orders } else { &[] }).await;
        }
        let first = cluster.gateways[0].lock().await.take().unwrap();
        (_, cluster.key) = first.tenant("one").await;
        for (index, provider) in PROVIDERS.into_iter().enumerate() {
            let needed = if provider == "aptly" { creates.div_ceil(2 * CREATES_OF_ONE).max(1) } else { 1 };
            for _ in 0..needed {
                let crm = &cluster.crms[index];
                let id = first.link_at(&cluster.key, provider, &crm.base_url(), crm).await;
                cluster.credentials[index].push(id);
            }
        }
        *cluster.gateways[0].lock().await = Some(first);
        cluster
    }

    /// A new credential for another account of a CRM, made by the first gateway.
    pub(crate) async fn link(&self, crm: usize, at: &Running) -> String {
        let gateway = self.gateways[0].lock().await;
        let gateway = gateway.as_ref().unwrap();
        gateway.link_at(&self.key, PROVIDERS[crm], &at.base_url(), at).await
    }

    /// Starts the gateway of a place, anew.
    pub(crate) async fn start(&self, place: usize, orders: &[(&str, &str)]) {
        let name = format!("log-{}", self.started.fetch_add(1, Ordering::SeqCst));
        let database = ("GATEWAY_DATABASE_URL", self.database.as_str());
        let settings: Vec<_> = SETTINGS.into_iter().chain([database]).chain(orders.iter().copied()).collect();
        let gateway = GatewayProcess::start(self.folder.path(), &name, &self.master_key, &settings).await;
        self.urls.write().await[place] = Some(gateway.url());
        *self.gateways[place].lock().await = Some(gateway);
    }

    /// Ends the gateway of a place as `kill -9` does; whether it had been alive.
    pub(crate) async fn kill(&self, place: usize) -> bool {
        let mut gateway = self.gateways[place].lock().await.take().unwrap();
        let lived = gateway.runs();
        gateway.process.kill().unwrap();
        gateway.process.wait().unwrap();
        self.urls.write().await[place] = None;
        lived
    }

    /// Sends a signal to the gateway of a place.
    pub(crate) async fn signal(&self, place: usize, signal: rustix::process::Signal) {
        let gateway = self.gateways[place].lock().await;
        let id = gateway.as_ref().unwrap().id().try_into().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Ends the gateway of a place, where it has not fallen of itself; `falling` waits for that, as the end of a process
    /// takes a moment longer than that of its connections.
    pub(crate) async fn fell(&self, place: usize, falling: bool) -> bool {
        let fallen = async {
            let mut gateway = self.gateways[place].lock().await;
            let process = &mut gateway.as_mut().unwrap().process;
            while process.try_wait().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let most = if falling { Duration::from_secs(5) } else { Duration::from_millis(200) };
        let fell = tokio::time::timeout(most, fallen).await.is_ok();
        self.kill(place).await;
        fell
    }

    /// Where the gateway of a place listens, while it does.
    pub(crate) async fn url(&self, place: usize) -> Option<String> {
        self.urls.read().await[place].clone()
    }

    /// The credential for the `number`th create at a CRM.
    pub(crate) fn credential(&self, crm: usize, number: usize) -> &str {
        let all = &self.credentials[crm];
        &all[number / 2 % all.len()]
    }

    /// The last lines of every log, for a test that fails.
    pub(crate) fn logs(&self) -> String {
        let log = |number: u32| {
            let text =
                std::fs::read_to_string(self.folder.path().join(format!("log-{number}"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().filter(|line| !line.contains("DEBUG")).collect();
            lines[lines.len().saturating_sub(8)..].join("\n")
        };
        (0..self.started.load(Ordering::SeqCst)).map(log).collect::<Vec<_>>().join("\n--\n")
    }
}
