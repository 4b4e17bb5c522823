//! Rotation of the master key on the real binary: under load, killed and resumed, and what is refused.

#![expect(clippy::disallowed_methods, reason = "tests measure real time, and call the gateway, not a CRM")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/gateway_process.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod gateway_process;
#[path = "support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use contacts_gateway::app::Components;
use contacts_gateway::config::{Config, Flags};
use contacts_gateway::domain::{Actor, CallContext, Caller, ContactQuery, Principal, RawJson, Scope, Scopes};
use contacts_gateway::gateway::contacts::{ListRequest, PageStart};
use contacts_gateway::gateway::credentials::{CredentialDraft, KeyUsage};
use contacts_gateway::gateway::keys::KeyDraft;
use contacts_gateway::sealing::MasterKey;
use contacts_gateway::simulators::{Running, aptly, pipeline};
use gateway_process::GatewayProcess;
use secrecy::ExposeSecret;
use sqlx::Connection;

/// A database with one tenant, and the keys that it is sealed under one after the other.
struct Place {
    folder: tempfile::TempDir,
    old: String,
    new: String,
}

fn key() -> String {
    MasterKey::generate().unwrap().text().expose_secret().to_owned()
}

fn soon() -> CallContext {
    CallContext::within(Duration::from_secs(20), "test".into())
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), old: key(), new: key() }
    }

    fn settings(&self, current: &str, previous: &[&str]) -> Vec<(String, String)> {
        let url = format!("sqlite://{}/gateway.db", self.folder.path().display());
        let mut settings = vec![
            ("GATEWAY_DATABASE_URL", url),
            ("GATEWAY_MASTER_KEY", current.to_owned()),
            ("GATEWAY_UPSTREAM_ALLOW", "127.0.0.1".to_owned()),
            // The load is far beyond what one key may send.
            ("GATEWAY_KEY_RATE", "0".to_owned()),
        ];
        if !previous.is_empty() {
            let file = self.folder.path().join("previous");
            std::fs::write(&file, previous.join("\n") + "\n").unwrap();
            settings.push(("GATEWAY_PREVIOUS_MASTER_KEYS_FILE", file.display().to_string()));
        }
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    async fn open(&self, current: &str, previous: &[&str]) -> Components {
        let config = Config::read(&Flags::default(), self.settings(current, previous)).unwrap();
        Components::open(&config).await.unwrap()
    }

    fn command(&self, current: &str, previous: &[&str], args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_contacts-gateway"));
        command.env_clear().envs(self.settings(current, previous)).args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir(self.folder.path());
        command
    }

    fn rotate(&self) -> Output {
        self.command(&self.new, &[&self.old], &["master-key", "rotate"]).output().unwrap()
    }

    async fn seals(&self) -> KeyUsage {
        self.open(&self.new, &[&self.old]).await.gateway.rotation.seals().await.unwrap()
    }

    async fn statement(&self, sql: &'static str) {
        let path = self.folder.path().join("gateway.db");
        let mut connection = sqlx::SqliteConnection::connect(&path.display().to_string()).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// A tenant with `many` credentials of the simulated CRM; the caller, and their ids.
async fn linked(parts: &Components, crms: &[&Running], many: usize) -> (Caller, Vec<String>) {
    let tenant = parts.gateway.tenants.create(&Actor::command_line(), "tenant").await.unwrap().id;
    let principal = Principal::Key("key_1".into());
    let caller = Caller { tenant, principal, scopes: Scopes::new(&Scope::ALL), credentials: None };
    let mut ids = Vec::new();
    for n in 0..many {
        let crm = crms[n % crms.len()];
        let provider = if n % crms.len() == 0 { "aptly" } else { "pipeline" };
        let draft = CredentialDraft {
            provider: provider.into(),
            name: format!("credential {n}").into(),
            settings: RawJson::from_validated(format!(r#"{{"baseUrl":"{}"}}"#, crm.base_url()).into()),
            secret: gateway_process::secret_of(provider, crm.token()).into(),
        };
        let made = parts.gateway.credentials.create(&soon(), &caller, draft, false).await.unwrap();
        ids.push(made.id.as_str().to_owned());
    }
    (caller, ids)
}

async fn crm() -> Running {
    aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap()
}

/// A client of one gateway with one key, to whom every failed request is a failed test.
#[derive(Clone)]
struct Client {
    gateway: Arc<GatewayProcess>,
    secret: String,
    done: Arc<AtomicU32>,
}

impl Client {
    /// A client of a gateway that is started with these keys.
    async fn of(place: &Place, current: &str, previous: &[&str], secret: &str) -> Self {
        let settings = place.settings(current, previous);
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let gateway = GatewayProcess::start(place.folder.path(), "log", current, &settings).await;
        Self { gateway: Arc::new(gateway), secret: secret.to_owned(), done: Arc::default() }
    }

    /// Stops the gateway. Returns what it logged until then.
    fn stop(self) -> String {
        let mut gateway = Arc::into_inner(self.gateway).unwrap();
        gateway.process.kill().unwrap();
        gateway.process.wait().unwrap();
        gateway.logged()
    }

    async fn ask(&self, method: &str, path: String, body: Option<String>) {
        let reply = self.gateway.call(method, &path, &self.secret, body).await;
        assert!(reply.is_success(), "{path}: {} {}", reply.status, reply.text);
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    /// Reads, and now and then writes contacts and changes credentials, until it is told to stop.
    async fn load(self, n: usize, ids: Vec<String>, stop: Arc<AtomicBool>) {
        for round in 0_usize.. {
            let id = &ids[(round * LOADERS + n) % ids.len()];
            self.ask("GET", format!("/crm/contacts?credentialId={id}"), None).await;
            if round % 8 == 0 {
                let name = format!(r#"{{"name":"credential {n} {round}"}}"#);
                self.ask("PATCH", format!("/credentials/{id}"), Some(name)).await;
                // Seven digits: no number of rounds leads to one that the CRM refuses as its own.
                let phone = 7_000_000 + round / 8 * LOADERS + n;
                let person = format!(
                    r#"{{"lastName":"L","emailAddresses":[{{"emailAddress":"p{n}-{round}@example.com"}}],"phoneNumbers":[{{"phoneNumber":"+1416{phone}"}}]}}"#
                );
                self.ask("POST", format!("/crm/contacts?credentialId={id}"), Some(person)).await;
            }
            if stop.load(Ordering::SeqCst) {
                break;
            }
        }
    }
}

/// How many put load on the server at once.
const LOADERS: usize = 4;

async fn made_key(parts: &Components, caller: &Caller) -> String {
    let scopes = Scopes::new(&Scope::ALL);
    let draft = KeyDraft { name: "load".into(), scopes, credential_ids: None, expires_at: None };
    let (_, secret) = parts.gateway.keys.create(&Actor::command_line(), &caller.tenant, draft).await.unwrap();
    secret.expose_secret().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_fails() {
    let place = Place::new();
    let pipeline = pipeline::PipelineSimulator::start(pipeline::PipelineOptions::empty()).await.unwrap();
    let parts = place.open(&place.old, &[]).await;
    let aptly = crm().await;
    let (caller, ids) = linked(&parts, &[&aptly, &pipeline], 40).await;
    let secret = made_key(&parts, &caller).await;
    parts.store.database.close().await;

    let client = Client::of(&place, &place.new, &[&place.old], &secret).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = |n| tokio::spawn(client.clone().load(n, ids.clone(), Arc::clone(&stop)));
    let load: Vec<_> = (0..LOADERS).map(load).collect();
    while client.done.load(Ordering::SeqCst) < 50 {
        assert!(load.iter().all(|task| !task.is_finished()), "a request failed before the rotation");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut rotating = place.command(&place.new, &[&place.old], &["master-key", "rotate"]);
    let output = tokio::task::spawn_blocking(move || rotating.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("secrets re-sealed, 0 left"), "{}", text(&output.stdout));
    let before = client.done.load(Ordering::SeqCst);
    // Longer than anything is remembered: every secret is read anew and opened under the new key.
    tokio::time::sleep(Duration::from_secs(6)).await;
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    assert!(client.done.load(Ordering::SeqCst) > before + 50);
    let said = client.stop();
    assert!(said.contains("previous master key"), "{said}");

    // The old key is of no use any more, and is not missed.
    let client = Client::of(&place, &place.new, &[], &secret).await;
    for id in &ids {
        client.ask("GET", format!("/crm/contacts?credentialId={id}"), None).await;
    }
    assert!(!client.stop().contains("previous master key"));
}

#[tokio::test]
async fn killed_on_its_way_it_is_run_again() {
    let (place, crm) = (Place::new(), crm().await);
    let parts = place.open(&place.old, &[]).await;
    linked(&parts, &[&crm], 400).await;
    parts.store.database.close().await;
    let mut child = place.command(&place.new, &[&place.old], &["master-key", "rotate"]).spawn().unwrap();
    let first = BufReader::new(child.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(first, "50 re-sealed so far");
    let KeyUsage { current, previous, closed } = place.seals().await;
    assert!(current >= 50 && previous > 0 && closed == 0, "{current} {previous} {closed}");
    let output = place.rotate();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), format!("{previous} secrets re-sealed, 0 left"));
    assert_eq!(place.seals().await, KeyUsage { current: 400, previous: 0, closed: 0 });
    assert_eq!(text(&place.rotate().stdout), "0 secrets re-sealed, 0 left");
}

#[tokio::test]
async fn what_no_key_opens_is_refused_at_the_start_and_named() {
    let (place, crm) = (Place::new(), crm().await);
    let parts = place.open(&place.old, &[]).await;
    let (caller, ids) = linked(&parts, &[&crm], 3).await;
    parts.store.database.close().await;
    let refused = |current: &str, previous: &[&str]| {
        let mut serving =
            place.command(current, previous, &["serve", "--listen", "127.0.0.1:0"]).spawn().unwrap();
        // A server that does start must fail the test, not hang it.
        let began = std::time::Instant::now();
        while serving.try_wait().unwrap().is_none() {
            if began.elapsed() > Duration::from_secs(20) {
                serving.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = serving.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let said = text(&output.stderr);
        assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
        said
    };
    let said = refused(&place.new, &[]);
    assert!(said.contains("none of the database's 3 stored secrets can be opened"), "{said}");

    // A secret that was never sealed, and one that lost its end.
    place
        .statement(
            "UPDATE credentials SET secret = CAST('{\"apiKey\":\"canary\"}' AS BLOB) WHERE name = 'credential 0'; \
             UPDATE credentials SET secret = substr(secret, 1, 30) WHERE name = 'credential 1';",
        )
        .await;
    assert_eq!(place.seals().await.closed, 1, "one spoilt row stops nobody else: the server starts");
    let output = place.rotate();
    let said = text(&output.stderr);
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(1), "1 secrets re-sealed, 2 left")
    );
    for id in &ids[..2] {
        let named = format!("credential {id} of tenant {}", caller.tenant);
        assert!(said.contains(&named), "{named}: {said}");
    }
    assert!(!said.contains(&ids[2]) && !said.contains("canary"), "{said}");
    let parts = place.open(&place.new, &[&place.old]).await;
    let failure =
        parts.gateway.credentials.open(&soon(), &caller, &ids[0].as_str().into()).await.err().unwrap();
    assert_eq!(failure.kind.code(), "secret_unreadable");
}

#[tokio::test]
async fn a_cursor_of_before_goes_on_as_long_as_its_key_is_given() {
    let place = Place::new();
    let options = aptly::AptlyOptions { people: 9, ..aptly::AptlyOptions::empty() };
    let crm = aptly::AptlySimulator::start(options).await.unwrap();
    let parts = place.open(&place.old, &[]).await;
    let (caller, ids) = linked(&parts, &[&crm], 1).await;
    let list = async |parts: &Components, start: PageStart| {
        let request = ListRequest { query: ContactQuery { filters: Vec::new() }, start, page_size: 3 };
        let listed = parts.gateway.contacts.list(&soon(), &caller, &ids[0].as_str().into(), &request).await;
        listed.map(|listed| listed.next_cursor.unwrap()).map_err(|failure| failure.kind.code())
    };
    let cursor = list(&parts, PageStart::First).await.unwrap();
    let both = place.open(&place.new, &[&place.old]).await;
    assert!(list(&both, PageStart::Cursor(cursor.clone())).await.is_ok());
    assert!(place.rotate().status.success());
    let alone = place.open(&place.new, &[]).await;
    assert_eq!(list(&alone, PageStart::Cursor(cursor)).await, Err("invalid_parameter"));
}
