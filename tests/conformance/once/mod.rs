//! Writes under an `Idempotency-Key`: once, whatever happens to the answer, and every failure tells the truth.

mod changing;
mod credentials;
mod late;
mod lost;
mod moved;
mod racing;
mod replaying;
mod sealed;

use std::time::Duration;

use contacts_gateway::domain::{Failure, Result};
use contacts_gateway::simulators::{Fault, FaultKind, aptly, pipeline};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::time::{Instant, sleep};

use crate::support::keyed::Told;
use crate::support::world::Crm;

/// Between the two looks for a lost create.
const SETTLE: Duration = Duration::from_millis(300);
/// Less than what the two looks need: a request of this length gives its create up to the sweep.
const SHORT: u64 = 350;
/// What a busy machine may need for anything here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Both CRMs with nobody in them, behind gateways that settle fast.
async fn both() -> [Crm; 2] {
    [of_aptly(aptly::AptlyOptions::empty()).await, of_pipeline(pipeline::PipelineOptions::empty()).await]
}

async fn of_aptly(options: aptly::AptlyOptions) -> Crm {
    Crm::settling(aptly::AptlySimulator::start(options).await.unwrap(), "aptly", json!({}), SETTLE).await
}

async fn of_pipeline(options: pipeline::PipelineOptions) -> Crm {
    let settings = json!({ "allowDelete": true });
    Crm::settling(pipeline::PipelineSimulator::start(options).await.unwrap(), "pipeline", settings, SETTLE)
        .await
}

/// An answer of the CRM that applied nothing.
fn status(code: u16) -> FaultKind {
    FaultKind::Status {
        code,
        body: r#"{"message":"no"}"#.into(),
        content_type: "application/json".into(),
        headers: Vec::new(),
    }
}

/// Every write that the CRM gets from now on meets this.
fn writes_meet(crm: &Crm, kind: FaultKind) {
    crm.at.faults().clear();
    crm.at.fault(Fault::always(kind).on_writes());
}

/// Only the next write does.
fn next_write_meets(crm: &Crm, kind: FaultKind) {
    crm.at.faults().clear();
    crm.at.fault(Fault::once(kind).on_writes());
}

fn refused(outcome: Result<Told>) -> Failure {
    match outcome {
        Ok(told) => panic!("answered: {}", told.body),
        Err(failure) => failure,
    }
}

/// The code of a failure, or that there was none.
fn code(outcome: &Result<Told>) -> &'static str {
    outcome.as_ref().err().map_or("answered", |failure| failure.kind.code())
}

/// The sweep of a gateway; ends when dropped.
struct Sweep(tokio::task::JoinHandle<()>);

impl Drop for Sweep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn sweep(crm: &Crm) -> Sweep {
    let office = crm.office.clone();
    Sweep(tokio::spawn(async move { office.parts.gateway.contacts.settle_lost_creates().await }))
}

async fn database(crm: &Crm) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(crm.office.folder().join("gateway.db"));
    options.busy_timeout(Duration::from_secs(5)).connect().await.unwrap()
}

/// How far the only write under a key has come, and how often it was sent; nothing where no key is in use.
async fn stage(crm: &Crm) -> Option<(String, i64)> {
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT stage, sends FROM idempotency")
        .fetch_all(&mut database(crm).await)
        .await
        .unwrap();
    assert!(rows.len() <= 1, "{rows:?}");
    rows.into_iter().next()
}

/// Lets the sweep work until the write has come so far.
async fn swept_to(crm: &Crm, wanted: &str) {
    let (_sweep, began) = (sweep(crm), Instant::now());
    loop {
        let now = stage(crm).await;
        if now.as_ref().is_some_and(|(stage, _)| stage == wanted) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{now:?}");
        sleep(Duration::from_millis(50)).await;
    }
    // The row is let go after it was noted.
    sleep(Duration::from_millis(50)).await;
}

/// Waits until the CRM has got so many writes.
async fn got(crm: &Crm, writes: usize) {
    let began = Instant::now();
    while crm.sent().len() < writes {
        assert!(began.elapsed() < PATIENCE);
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until somebody is at the CRM.
async fn applied(crm: &Crm) {
    let began = Instant::now();
    while crm.at.contacts().is_empty() {
        assert!(began.elapsed() < PATIENCE);
        sleep(Duration::from_millis(5)).await;
    }
}

/// The only person at the CRM who bears an identity of Ada's, as the CRM spells people.
fn someone(crm: &Crm, first: &str, last: &str) -> String {
    crm.put(first, last, "ada@example.com", "+14165550277")
}

/// A person without the CRM's own identity: nobody but Ada has the other one.
fn relative(crm: &Crm, created: Option<&str>) -> String {
    let (email, phone) = if crm.is("aptly") {
        ("will@example.com", "+14165550277")
    } else {
        ("ada@example.com", "+14165550199")
    };
    let mut record: Value = if crm.is("aptly") {
        json!({ "firstname": "Will", "lastname": "Byron", "email": [email],
            "phone": [{ "number": phone, "type": "mobile" }] })
    } else {
        json!({ "firstName": "Will", "lastName": "Byron", "email": email,
            "phoneNumber": [{ "value": phone, "isPrimary": true }] })
    };
    if let Some(created) = created {
        record["createdAt"] = json!(created);
    }
    crm.at.put(record).unwrap()
}
