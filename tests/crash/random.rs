//! A gateway killed at random moments while several callers write; nothing is made twice, nothing acknowledged is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use contacts_gateway::simulators::{Fault, FaultKind};

use super::cluster::{Cluster, postgres};
use super::create::Create;
use super::ledger_check::LedgerCheck;
use super::rng::{Rng, number};
use crate::reply::Reply;

/// Callers who write at the same time.
const WRITERS: usize = 4;
/// So many that their writes to the database are committed together.
const MANY_WRITERS: usize = 32;
/// Creates of a writer that a round may see at most, by which credentials are made.
const CREATES_A_ROUND: usize = 6;
/// After so many kills the gateway lives for [`UNDISTURBED`].
const STORM: u64 = 25;
/// Absence is proven by one process, which lives for a settle time and for the request's deadline at least.
const UNDISTURBED: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_random_kills_on_sqlite() {
    kills(None, 6, WRITERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_random_kills_of_many_writers_on_sqlite() {
    kills(None, 4, MANY_WRITERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_random_kills_on_postgres() {
    let Some(database) = postgres().await else { return };
    kills(Some(database), 3, WRITERS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a quarter of an hour"]
async fn random_kills_on_sqlite() {
    kills(None, number("CRASH_ROUNDS").unwrap_or(1000), WRITERS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a quarter of an hour"]
async fn random_kills_on_postgres() {
    let Some(database) = postgres().await else { return };
    kills(Some(database), number("CRASH_ROUNDS").unwrap_or(500), WRITERS).await;
}

/// Kills so many times while so many callers write, starting again each time, then judges everything that was written.
async fn kills(database: Option<String>, rounds: u64, writers: usize) {
    let mut rng = Rng::from_env();
    let creates = CREATES_A_ROUND * writers * usize::try_from(rounds).unwrap().min(40);
    let cluster = Arc::new(Cluster::set(database, 1, creates, &[]).await);
    for crm in &cluster.crms {
        // A CRM at which nothing takes time would hardly ever be met in the middle of a create.
        crm.fault(Fault::always(FaultKind::Latency { ms: 30 }).on_writes());
    }
    let (next, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let tasks: Vec<_> =
        (0..writers).map(|_| tokio::spawn(write(cluster.clone(), next.clone(), stop.clone()))).collect();
    for round in 1..=rounds {
        let lives = if round.is_multiple_of(STORM) { UNDISTURBED } else { rng.pause(20, 900) };
        tokio::time::sleep(lives).await;
        assert!(cluster.kill(0).await, "it ended of itself: {}", cluster.logs());
        cluster.start(0, &[]).await;
    }
    stop.store(true, Ordering::SeqCst);
    let mut outcomes = Vec::new();
    for writer in tasks {
        outcomes.extend(writer.await.unwrap());
    }
    let (check, mut faults, written) = (LedgerCheck::of(&cluster), Vec::new(), outcomes.len());
    for (create, outcome) in outcomes {
        faults.extend(judge(&cluster, &check, &create, outcome).await);
    }
    println!("{rounds} kills, {written} creates, {} made, {} wrong", check.made(), faults.len());
    // Nobody made anything that no caller heard of in the end.
    assert_eq!(check.made(), LedgerCheck::of(&cluster).made(), "a replay made something");
    assert!(written >= usize::try_from(rounds).unwrap().min(writers), "hardly anything was written");
    assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), cluster.logs());
}

/// Creates one contact after another, each until its final answer.
async fn write(
    cluster: Arc<Cluster>,
    next: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Vec<(Create, Result<Reply, String>)> {
    let mut outcomes = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let create = Create::nth(next.fetch_add(1, Ordering::SeqCst));
        let outcome = create.until_final(&cluster, 0).await;
        outcomes.push((create, outcome));
        // Callers think now and then, and the CRM's allowance is not what is tried here.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    outcomes
}

async fn judge(
    cluster: &Cluster,
    check: &LedgerCheck,
    create: &Create,
    outcome: Result<Reply, String>,
) -> Option<String> {
    match outcome {
        Err(fault) => Some(fault),
        Ok(answer) => check.wrong(create, &answer).or(create.replay_wrong(cluster, 0, &answer).await),
    }
}
