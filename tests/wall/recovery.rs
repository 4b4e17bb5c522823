//! Lost creates of one tenant at a CRM that hangs do not delay the recovery of another tenant's.

use std::sync::Arc;
use std::time::Duration;

use contacts_gateway::config::Limits;
use contacts_gateway::domain::Scope;
use contacts_gateway::simulators::{Fault, FaultKind, Running, pipeline};
use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::postgres::Server;
use crate::test_gateway::Setup;
use crate::testbed::{Tenant, Testbed};

/// The interval of the recovery worker.
const SETTLE: Duration = Duration::from_secs(2);
/// How many creates of the hostile tenant are lost.
const MANY: usize = 300;
/// A timeout that is generous for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A tenant with one credential at a CRM of its own.
struct Party {
    key: String,
    credential: String,
    crm: Running,
}

async fn party(testbed: &Testbed, name: &str) -> Party {
    let crm = pipeline::PipelineSimulator::start(pipeline::PipelineOptions::empty()).await.unwrap();
    let tenant: Tenant = testbed.tenant(name).await;
    let credential = testbed.link_to(&tenant, "pipeline", &crm, &json!({ "token": crm.token() })).await;
    Party { key: testbed.key(&tenant, &Scope::ALL, None).await, credential, crm }
}

impl Party {
    /// Loses the creates of `numbers`: the CRM responds that it timed out, and the caller's deadline is too short for two
    /// lookups.
    async fn lose(&self, testbed: &Testbed, numbers: std::ops::Range<usize>) {
        self.crm.faults().clear();
        let busy = FaultKind::Status {
            code: 408,
            body: "{}".into(),
            content_type: "application/json".into(),
            headers: Vec::new(),
        };
        self.crm.fault(Fault::always(busy).on_writes());
        for some in numbers.collect::<Vec<_>>().chunks(20) {
            join_all(some.iter().map(|number| self.lose_one(testbed, *number))).await;
        }
        self.crm.faults().clear();
    }

    async fn lose_one(&self, testbed: &Testbed, number: usize) {
        let uri = format!("/crm/contacts?credentialId={}", self.credential);
        let body = json!({ "firstName": "Ada", "lastName": "Byron",
            "phoneNumbers": [{ "phoneNumber": format!("+1416555{number:04}") }] });
        let body = body.to_string();
        // On a busy machine a request with such a short deadline may need more than one attempt.
        let mut answered = String::new();
        for attempt in 0..5 {
            let key = format!("k{number}-{attempt}");
            let headers = [("idempotency-key", key.as_str()), ("x-request-timeout-ms", "1900")];
            let answer = testbed.send_with("POST", &uri, &self.key, Some(&body), &headers).await;
            if answer.code() == "outcome_unknown" {
                return;
            }
            answered = answer.text;
        }
        panic!("create {number} was not lost: {answered}");
    }

    /// The time until the CRM receives a lookup for a lost create.
    async fn looked_for_within(&self) -> Duration {
        let (began, before) = (Instant::now(), self.crm.calls().len());
        while self.crm.calls().len() == before {
            assert!(began.elapsed() < PATIENCE, "nobody looked for the lost create");
            sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }
}

/// The recovery worker of a gateway; ends when dropped.
struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn worker(testbed: &Testbed) -> Worker {
    let gateway = Arc::clone(&testbed.gateway);
    Worker(tokio::spawn(async move { gateway.contacts.settle_lost_creates().await }))
}

async fn nobody_delays_anybody(database: Option<String>) {
    let limits = Limits {
        settle: SETTLE,
        in_flight: None,
        tenant_in_flight: None,
        credential_in_flight: None,
        ..Limits::default()
    };
    let testbed = Testbed::with(Setup { database, limits, ..Setup::default() }).await;
    let (hostile, honest) = (party(&testbed, "hostile").await, party(&testbed, "honest").await);
    honest.lose(&testbed, 0..1).await;
    let alone = {
        let _worker = worker(&testbed);
        let alone = honest.looked_for_within().await;
        // Its outcome is recorded, so it is not looked up again.
        sleep(SETTLE / 2).await;
        alone
    };
    hostile.lose(&testbed, 0..MANY).await;
    hostile.crm.fault(Fault::always(FaultKind::NeverAnswer));
    let before = hostile.crm.calls().len();
    honest.lose(&testbed, 1..2).await;
    let _worker = worker(&testbed);
    let beside = honest.looked_for_within().await;
    let began = Instant::now();
    while hostile.crm.calls().len() < before + 4 {
        assert!(began.elapsed() < PATIENCE, "the hostile tenant's were looked for nowhere");
        sleep(Duration::from_millis(20)).await;
    }
    // Lookups of the hostile tenant hang by now. A round of the worker has just begun: a create lost right behind it would be
    // due only in the round after the next, which would measure the worker's interval and nobody's delay.
    sleep(SETTLE * 3 / 4).await;
    honest.lose(&testbed, 2..3).await;
    let behind = honest.looked_for_within().await;
    let most = (2 * alone).max(2 * SETTLE);
    assert!(beside <= most && behind <= most, "alone {alone:?}, beside {beside:?}, behind {behind:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crm_that_hangs_delays_nobody_elses_recovery() {
    nobody_delays_anybody(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_it_delays_nobody_either() {
    let Some(server) = Server::shared() else { return };
    let name = server.new_name();
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
    nobody_delays_anybody(Some(server.url(&name))).await;
}
