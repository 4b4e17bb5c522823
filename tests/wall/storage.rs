//! The database while the gateway runs: its file is removed or replaced, its disk fills up.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contacts_gateway::simulators::{Fault, FaultKind, Running, aptly};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::gateway_process::{ADMIN_TOKEN, GatewayProcess, master_key};
use crate::reply::Reply;

/// A timeout that is generous for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Fixture {
    serving: GatewayProcess,
    crm: Running,
    key: String,
    credential: String,
    folder: tempfile::TempDir,
}

impl Fixture {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let serving = GatewayProcess::start(folder.path(), "log", &master_key(), &[]).await;
        Self::of(serving, folder).await
    }

    async fn of(serving: GatewayProcess, folder: tempfile::TempDir) -> Self {
        let crm = aptly::AptlySimulator::start(aptly::AptlyOptions::empty()).await.unwrap();
        let (_, key) = serving.tenant("one").await;
        let credential = json!({ "provider": "aptly", "name": "n", "settings": { "baseUrl": crm.base_url(),
            "defaultRegion": "US" }, "secret": { "apiKey": crm.token() } });
        let credential = serving.link(&key, credential).await;
        Self { serving, crm, key, credential, folder }
    }

    async fn create(&self, name: &str, once: Option<&str>) -> Reply {
        let path = format!("/crm/contacts?credentialId={}", self.credential);
        let body = json!({ "firstName": "Ada", "lastName": name,
            "emailAddresses": [{ "emailAddress": format!("{name}@example.com") }] });
        let headers: Vec<_> = once.iter().map(|once| ("idempotency-key", *once)).collect();
        self.serving.call_with("POST", &path, &self.key, Some(body.to_string()), &headers).await
    }

    async fn ready(&self) -> Reply {
        self.serving.call("GET", "/readyz", "", None).await
    }

    /// Waits until the response of `/readyz` satisfies `is`.
    async fn until_ready(&self, is: impl Fn(&Reply) -> bool) -> Reply {
        let began = Instant::now();
        loop {
            let reply = self.ready().await;
            if is(&reply) {
                return reply;
            }
            assert!(began.elapsed() < PATIENCE, "{reply:?}\n{}", self.serving.logged());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn errors(&self) -> usize {
        let lines = self.serving.logged();
        lines.lines().filter(|line| line.contains("removed or replaced while")).count()
    }

    fn writes(&self) -> usize {
        self.crm.calls().iter().filter(|call| call.method != "GET").count()
    }
}

fn rename(folder: &Path, from: &str, to: &str) {
    std::fs::rename(folder.join(from), folder.join(to)).unwrap();
}

#[tokio::test]
async fn a_database_that_is_removed_or_replaced_refuses_writes_before_they_are_sent() {
    let fixture = Fixture::open().await;
    let folder = fixture.folder.path();
    assert_eq!(fixture.create("before", Some("k0")).await.status, 200);
    let sent = fixture.writes();
    for (round, replaced) in [false, true].into_iter().enumerate() {
        rename(folder, "gateway.db", "aside");
        if replaced {
            std::fs::copy(folder.join("aside"), folder.join("gateway.db")).unwrap();
        }
        for once in [Some("k1"), None] {
            let refused = fixture.create("during", once).await;
            assert_eq!((refused.status, refused.code().as_str()), (503, "store_unavailable"), "{refused:?}");
        }
        let tenant = json!({ "name": "two" }).to_string();
        let refused = fixture.serving.call("POST", "/admin/tenants", ADMIN_TOKEN, Some(tenant)).await;
        assert_eq!(refused.code(), "store_unavailable");
        let ready = fixture.ready().await;
        assert_eq!((ready.status, ready.code().as_str()), (503, "store_unavailable"));
        assert_eq!((fixture.writes(), fixture.errors()), (sent, round + 1), "{}", fixture.serving.logged());
        rename(folder, "aside", "gateway.db");
        fixture.until_ready(|ready| ready.status == 200).await;
    }
    assert_eq!(fixture.ready().await.json()["store"], "ok");
    assert_eq!(fixture.create("after", Some("k1")).await.status, 200);
}

#[tokio::test]
async fn a_lost_database_goes_to_the_log_also_while_nobody_asks() {
    let fixture = Fixture::open().await;
    rename(fixture.folder.path(), "gateway.db-wal", "aside");
    let began = Instant::now();
    while fixture.errors() == 0 {
        assert!(began.elapsed() < PATIENCE, "{}", fixture.serving.logged());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_database_lost_while_the_write_was_sent_is_an_unknown_outcome_whose_key_is_not_kept() {
    let fixture = Fixture::open().await;
    let slow = FaultKind::Latency { ms: 1_500 };
    fixture.crm.fault(Fault { writes_only: true, ..Fault::once(slow) });
    let (answer, ()) = tokio::join!(fixture.create("lost", Some("k1")), async {
        let began = Instant::now();
        while fixture.writes() == 0 {
            assert!(began.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rename(fixture.folder.path(), "gateway.db", "aside");
    });
    assert_eq!((answer.status, answer.code().as_str()), (504, "outcome_unknown"), "{answer:?}");
    assert_eq!(answer.json()["retryable"], "no");
}

/// Starts the gateway from a shell that ignores SIGXFSZ, so that a write above the file size limit fails with an error.
fn limited(folder: &Path) -> (Child, std::path::PathBuf) {
    let log = folder.join("log");
    let process = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" serve", env!("CARGO_BIN_EXE_contacts-gateway")])
        .env_clear()
        .env("GATEWAY_LISTEN", "127.0.0.1:0")
        .env("GATEWAY_DATABASE_URL", format!("sqlite://{}/gateway.db", folder.display()))
        .env("GATEWAY_MASTER_KEY", master_key())
        .env("GATEWAY_ADMIN_TOKEN", ADMIN_TOKEN)
        .env("GATEWAY_UPSTREAM_ALLOW", "127.0.0.1")
        .env("GATEWAY_LOG_FORMAT", "json")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    (process, log)
}

#[tokio::test]
async fn a_full_disk_shows_in_readiness_and_ends_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (process, log) = limited(folder.path());
    let serving = GatewayProcess::watching(process, log).await;
    let fixture = Fixture::of(serving, folder).await;
    let pid = Pid::from_raw(i32::try_from(fixture.serving.id()).unwrap());
    let wal = std::fs::metadata(fixture.folder.path().join("gateway.db-wal")).unwrap().len();
    assert_eq!(fixture.ready().await.json(), json!({ "status": "ready", "store": "ok" }));
    // The limit applies to the log file as well; logging does not block on it.
    let none = Rlimit { current: Some(wal), maximum: None };
    prlimit(pid, Resource::Fsize, none).unwrap();
    let refused = fixture.create("full", Some("k1")).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "store_unavailable"), "{refused:?}");
    assert_eq!(fixture.writes(), 0);
    let full = fixture.ready().await;
    assert_eq!((full.status, &full.json()["store"]), (200, &Value::from("full")));
    prlimit(pid, Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
    fixture.until_ready(|ready| ready.json()["store"] == "ok").await;
    assert_eq!(fixture.create("full", Some("k1")).await.status, 200);
}
