//! Writes under an `Idempotency-Key`: once, whatever happens to the answer, and every failure tells the truth.

mod changing;
mod credentials;
pub(crate) mod late;
pub(crate) mod lost;
mod moved;
mod racing;
mod replaying;
mod sealed;

use std::time::Duration;

use contacts_gateway::domain::{Failure, Result};
use contacts_gateway::simulators::{Fault, FaultKind, Running};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::time::{Instant, sleep};

use crate::support::account::ToldApartBy;
use crate::support::crm::Crm;
use crate::support::keyed::Told;
use crate::support::worlds::{Start, Stored, WORLDS, World};

/// Between the two looks for a lost create.
const SETTLE: Duration = Duration::from_millis(300);
/// Less than what the two looks need: a request of this length gives its create up to the sweep.
const SHORT: u64 = 350;
/// What a busy machine may need for anything here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Every CRM with nobody in it, behind gateways that settle fast.
async fn all() -> Vec<Crm> {
    let mut crms = Vec::new();
    for world in WORLDS {
        crms.push(settling(*world, world.start(Start::default()).await).await);
    }
    crms
}

/// Those of them that can remove contacts.
async fn removing() -> Vec<Crm> {
    all().await.into_iter().filter(|crm| crm.spec.operations.delete).collect()
}

pub(super) async fn settling(world: &'static dyn World, at: Running) -> Crm {
    Crm::settling(at, world, world.permissive(), SETTLE).await
}

/// An answer of the CRM that applied nothing.
pub(super) fn status(code: u16) -> FaultKind {
    FaultKind::Status {
        code,
        body: r#"{"message":"no"}"#.into(),
        content_type: "application/json".into(),
        headers: Vec::new(),
    }
}

/// Every write that the CRM gets from now on meets this.
pub(super) fn writes_meet(crm: &Crm, kind: FaultKind) {
    crm.at.faults().clear();
    crm.at.fault(Fault::always(kind).on_writes());
}

/// Only the next write does.
pub(super) fn next_write_meets(crm: &Crm, kind: FaultKind) {
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
pub(super) fn code(outcome: &Result<Told>) -> &'static str {
    outcome.as_ref().err().map_or("answered", |failure| failure.kind.code())
}

/// The sweep of a gateway; ends when dropped.
pub(super) struct Sweep(tokio::task::JoinHandle<()>);

impl Drop for Sweep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn sweep(crm: &Crm) -> Sweep {
    let gateway = crm.gateway.clone();
    Sweep(tokio::spawn(async move { gateway.contacts.settle_lost_creates().await }))
}

async fn database(crm: &Crm) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(crm.gateway.folder().join("gateway.db"));
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
pub(super) async fn got(crm: &Crm, writes: usize) {
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
pub(super) fn someone(crm: &Crm, first: &str, last: &str) -> String {
    crm.put(first, last, "ada@example.com", "+14165550277")
}

/// A person without the CRM's own identity: nobody but Ada has the other one.
fn relative(crm: &Crm, created: Option<&str>) -> String {
    let (email, phone) = match crm.told_apart_by() {
        ToldApartBy::Email => ("will@example.com", "+14165550277"),
        ToldApartBy::Phone => ("ada@example.com", "+14165550199"),
    };
    let stored = Stored { first: "Will", last: "Byron", emails: &[email], phones: &[phone] };
    let mut record = crm.world.record(&stored);
    if let Some(created) = created {
        record["createdAt"] = json!(created);
    }
    crm.at.put(record).unwrap()
}
