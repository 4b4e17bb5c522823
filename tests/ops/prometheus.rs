//! Dashboard and alert rules against a real Prometheus that scrapes a gateway in trouble. Both programs are in Debian's
//! `prometheus`.

use std::collections::BTreeSet;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contacts_gateway::simulators::{Fault, FaultKind, Running};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::front::Front;
use crate::gateway_process::{client, send};
use crate::testbed::{Account, IN_FLIGHT, PATIENCE, Testbed, crm};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/telemetry");
const DASHBOARD: &str = include_str!("../../src/telemetry/dashboard.json");
const ALERTS: &str = include_str!("../../src/telemetry/alerts.yml");

fn promtool(arguments: &[&str]) -> Output {
    Command::new("promtool").args(arguments).current_dir(FOLDER).output().unwrap()
}

#[test]
fn the_alert_rules_are_valid_and_fire_when_they_should() {
    for arguments in [&["check", "rules", "alerts.yml"][..], &["test", "rules", "alerts.test.yml"]] {
        let output = promtool(arguments);
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    let tests = std::fs::read_to_string(format!("{FOLDER}/alerts.test.yml")).unwrap();
    for line in ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {line}\n")), "{line} has no test");
    }
}

/// Each expression of the dashboard and of the alert rules.
fn expressions() -> BTreeSet<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let shown = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let alerts = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned);
    let all: BTreeSet<String> = shown.chain(alerts).collect();
    assert!(all.len() > 40, "{}", all.len());
    all
}

struct Prometheus {
    process: Child,
    url: String,
    /// The expressions that have not had data yet.
    silent: BTreeSet<String>,
}

impl Prometheus {
    /// Scrapes the gateway, and the metrics at `other`.
    async fn scraping(bed: &Testbed, other: &str) -> Self {
        let folder = bed.folder.path();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "global: {{ scrape_interval: 1s }}\nrule_files: [\"{FOLDER}/alerts.yml\"]\nscrape_configs:\n  \
             - job_name: contacts-gateway\n    static_configs: [{{ targets: [\"{}\", \"{other}\"] }}]\n",
            bed.gateway.address
        );
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("prometheus.log")).unwrap())
            .spawn()
            .unwrap();
        let mut prometheus = Self { process, url: format!("http://127.0.0.1:{port}"), silent: expressions() };
        let began = Instant::now();
        while prometheus.query("up").await.is_none_or(|count| count == 0) {
            assert!(prometheus.process.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        prometheus
    }

    /// How many series the expression has; `None` if Prometheus does not respond.
    async fn query(&self, expression: &str) -> Option<usize> {
        let body: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        let request = client().post(format!("{}/api/v1/query", self.url));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let reply = send(request).await.ok()?;
        let found = reply.json()["data"]["result"].as_array().map(Vec::len);
        assert!(reply.status != 400, "{expression}: {}", reply.text);
        found
    }

    async fn ask_the_silent(&mut self) {
        for expression in self.silent.clone() {
            if self.query(&expression).await.is_some_and(|count| count > 0) {
                self.silent.remove(&expression);
            }
        }
    }

    /// Waits until all expressions but those with `left` in them have had data.
    async fn until_all_spoke(&mut self, left: &str) {
        let began = Instant::now();
        while self.silent.iter().any(|expression| left.is_empty() || !expression.contains(left)) {
            assert!(began.elapsed() < PATIENCE, "without data: {:#?}", self.silent);
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.ask_the_silent().await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The accounts that get into trouble in each round.
struct Accounts {
    good: (Running, Account),
    refused: (Running, Account),
    paused: (Running, Account),
    clock: (Running, Account),
    slow: (Running, Account),
    /// Whose create is lost.
    lost: (Running, Account),
}

impl Accounts {
    async fn link(bed: &Testbed) -> Self {
        let (good, refused, paused, clock, slow, lost) =
            (crm().await, crm().await, crm().await, crm().await, crm().await, crm().await);
        paused.fault(Fault::always(FaultKind::TooManyRequests { retry_after: Some("60".to_owned()) }));
        slow.fault(Fault::always(FaultKind::LateAnswer { ms: 300 }));
        let hour_ago = contacts_gateway::store::now() - Duration::from_hours(1);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&hour_ago).unwrap();
        clock.fault(Fault::always(FaultKind::Status {
            code: 404,
            body: "{}".to_owned(),
            content_type: "application/json".to_owned(),
            headers: vec![("date".to_owned(), date)],
        }));
        let link = async |name: &str, crm: Running| {
            let secret = if name == "refused" { "wrong" } else { crm.token() };
            let account = bed.account(name, &crm.base_url(), secret).await;
            (crm, account)
        };
        Self {
            good: link("good", good).await,
            refused: link("refused", refused).await,
            paused: link("paused", paused).await,
            clock: link("clock", clock).await,
            slow: link("slow", slow).await,
            lost: link("lost", lost).await,
        }
    }

    /// Calls that end well and in every trouble of CRMs and callers.
    async fn round(&self, bed: &Testbed, number: usize) {
        let contact =
            json!({ "lastName": "Okafor", "emailAddresses": [{ "emailAddress": "ada@example.com" }] });
        let path = format!("/crm/contacts?credentialId={}", self.good.1.credential);
        bed.gateway.call("POST", &path, &self.good.1.key, Some(contact.to_string())).await;
        for account in [&self.good.1, &self.refused.1, &self.paused.1] {
            bed.get(account, "abc", "any").await;
        }
        // Hosts that are new in each round, because calls to those of the round before are paused.
        for host in 0..6 {
            let down = Front::nobody();
            let account = bed.account(&format!("down {number} {host}"), &down.url, "any").await;
            for _ in 0..3 {
                bed.get(&account, "abc", "any").await;
            }
        }
        for _ in 0..10 {
            join_all((0..3 * IN_FLIGHT).map(|_| bed.get(&self.slow.1, "abc", "any"))).await;
        }
        for _ in 0..30 {
            bed.gateway.call("GET", "/providers", "cg_wrong", None).await.is(401, "unauthenticated");
        }
        // The last, so that the clock of the last reply is wrong.
        bed.get(&self.clock.1, "abc", "any").await;
    }

    /// A create whose outcome is unknown, because the CRM has failed since.
    async fn lose(&self, bed: &Testbed) {
        let (crm, account) = &self.lost;
        crm.fault(Fault::once(FaultKind::AppliedNeverAnswers).on_writes());
        let contact =
            json!({ "lastName": "Moreau", "emailAddresses": [{ "emailAddress": "grace@example.com" }] });
        let path = format!("/crm/contacts?credentialId={}", account.credential);
        let headers = [("idempotency-key", "k"), ("x-request-timeout-ms", "1000")];
        let (reply, ()) = tokio::join!(
            bed.gateway.call_with("POST", &path, &account.key, Some(contact.to_string()), &headers),
            async {
                while crm.writes().is_empty() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                crm.fault(Fault::always(FaultKind::NeverAnswer));
            }
        );
        reply.is(504, "outcome_unknown");
    }
}

/// Troubles of the gateway itself: a locked database, a file that is gone, a log that nobody reads.
async fn break_the_house(bed: &Testbed, round: usize) {
    let mut other = sqlx::SqliteConnection::connect(&bed.database()).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let refused = (0..5).map(|number| crate::troubles::refused_write(bed, ["a", "b", "c", "d", "e"][number]));
    join_all(refused).await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    if round == 0 {
        // As if the create had been lost an hour ago.
        sqlx::query("UPDATE idempotency SET created_at = created_at - 3600000")
            .execute(&mut other)
            .await
            .unwrap();
    }
    other.close().await.unwrap();
    let (file, aside) = (bed.folder.path().join("gateway.db"), bed.folder.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    crate::troubles::refused_write(bed, "lost").await;
    bed.series("gateway_database_up", |up| up < 1.0).await;
    bed.series("gateway_audit_unstored_total", |count| count > 0.0).await;
    // Until Prometheus has scraped it and was asked.
    tokio::time::sleep(Duration::from_secs(4)).await;
    std::fs::rename(&aside, &file).unwrap();
    let unread = bed.log_reader.lock();
    stream::iter(0..2_500)
        .map(|_| bed.gateway.call("GET", "/nowhere", "", None))
        .buffer_unordered(8)
        .count()
        .await;
    drop(unread);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_expression_of_the_dashboard_and_of_the_alerts_has_data() {
    let mut bed = Testbed::with(&[("GATEWAY_TENANT_API_KEYS", "1"), ("GATEWAY_SETTLE_MS", "200")]).await;
    let expired = Testbed::with_tls("expired.pem").await;
    let listening = expired.line(&json!({ "message": "listening" })).await;
    let https = listening["address"].as_str().unwrap();
    let mut prometheus = Prometheus::scraping(&bed, &expired.gateway.address).await;
    let accounts = Accounts::link(&bed).await;
    for round in 0..2 {
        accounts.round(&bed, round).await;
        for _ in 0..30 {
            crate::refused::sent(https, b"no tls\r\n\r\n").await;
        }
        if round == 0 {
            accounts.lose(&bed).await;
        }
        prometheus.ask_the_silent().await;
        let ended = AtomicBool::new(false);
        let trouble = async {
            break_the_house(&bed, round).await;
            ended.store(true, Ordering::SeqCst);
        };
        tokio::join!(trouble, async {
            while !ended.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(500)).await;
                prometheus.ask_the_silent().await;
            }
        });
    }
    prometheus.until_all_spoke("up{").await;
    bed.gateway.process.kill().unwrap();
    prometheus.until_all_spoke("").await;
}
