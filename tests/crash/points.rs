//! A gateway killed at each step of a create, or while the CRM is at it; started again, it settles what was cut.

use std::time::{Duration, Instant};

use contacts_gateway::simulators::{Fault, FaultKind};
use futures_util::{StreamExt, stream};

use super::cluster::{Cluster, PROVIDERS, postgres};
use super::create::Create;
use super::ledger_check::LedgerCheck;

/// The steps of a create that is answered well, in order; the crash points of a debug build.
const POINTS: [&str; 8] =
    ["reserved", "looked_up", "sending_noted", "sent", "read_back", "before_record", "recorded", "answered"];

/// What the CRM does with the create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Applied,
    NotApplied,
    /// Applied after the gateway is gone, yet within the settle time.
    AppliedLate,
}

/// One run: where it is killed (nothing: while the CRM is at it), and what the CRM does.
#[derive(Clone, Copy, Debug)]
struct Run {
    point: Option<&'static str>,
    fate: Fate,
    crm: usize,
}

fn runs() -> Vec<Run> {
    let each = |point| {
        [Fate::Applied, Fate::NotApplied, Fate::AppliedLate]
            .into_iter()
            .flat_map(move |fate| [0, 1].map(|crm| Run { point, fate, crm }))
    };
    POINTS.into_iter().map(Some).chain([None]).flat_map(each).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_crash_point_on_sqlite() {
    let faults: Vec<_> = stream::iter(runs()).map(|run| kill(run, None)).buffered(4).collect().await;
    tell(faults);
}

/// Any replica might take the row over here, so that the lease decides instead of the start.
#[tokio::test(flavor = "multi_thread")]
async fn every_crash_point_on_postgres() {
    let applied = runs().into_iter().filter(|run| run.fate == Fate::Applied);
    let mut each = Vec::new();
    for run in applied {
        let Some(database) = postgres().await else { return };
        each.push((run, database));
    }
    tell(stream::iter(each).map(|(run, database)| kill(run, Some(database))).buffered(4).collect().await);
}

fn tell(faults: Vec<Option<String>>) {
    println!("{} runs", faults.len());
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{} went wrong:\n{}", faults.len(), faults.join("\n"));
}

/// Kills, starts again, sends the same again; what went wrong.
async fn kill(run: Run, database: Option<String>) -> Option<String> {
    let Run { point, fate, crm } = run;
    let orders: Vec<(&str, &str)> = point.map(|point| ("GATEWAY_CRASH_AT", point)).into_iter().collect();
    let cluster = Cluster::set(database, 1, 1, &orders).await;
    let late = Duration::from_millis(700);
    let fault = match (point, fate) {
        (Some(_), Fate::Applied) => None,
        (Some(_), Fate::NotApplied) => Some(status_500()),
        (None, Fate::Applied) => Some(FaultKind::AppliedNeverAnswers),
        (None, Fate::NotApplied) => Some(FaultKind::NeverAnswer),
        (_, Fate::AppliedLate) => Some(FaultKind::Latency { ms: 700 }),
    };
    if let Some(kind) = fault {
        cluster.crms[crm].fault(Fault::once(kind).on_writes());
    }
    let create = Create::at(crm, 0);
    let url = cluster.url(0).await.unwrap();
    let first = async { create.send(&cluster, &url, None).await.ok() };
    let first = if point.is_some() { first.await } else { interrupted(&cluster, &create, first).await };
    let lived = !cluster.fell(0, first.is_none() && point.is_some()).await;
    // Whatever was wrong with the CRM is over by now: one crash is tried, not a second lost create.
    cluster.crms[crm].faults().clear();
    cluster.start(0, &[]).await;
    let name = format!("{point:?} {fate:?} {}", PROVIDERS[crm]);
    println!("{name}: first answer {:?}, alive {lived}", first.as_ref().map(|reply| reply.status));
    let outcome = settle(&cluster, run, &create, lived).await;
    // What is applied late has been by now, and changes nothing any more.
    tokio::time::sleep(if fate == Fate::AppliedLate { late } else { Duration::ZERO }).await;
    let wrong = match outcome {
        Err(fault) => Some(fault),
        Ok(answer) => {
            let seen = first.filter(|reply| reply.status == 200).unwrap_or_else(|| answer.clone());
            let judged = LedgerCheck::of(&cluster).wrong(&create, &answer);
            judged.or(create.replay_wrong(&cluster, 0, &seen).await)
        }
    };
    wrong.map(|fault| format!("{name}: {fault}\n{}", cluster.logs()))
}

/// The final answer, with what else must hold of the run.
async fn settle(
    cluster: &Cluster,
    run: Run,
    create: &Create,
    lived: bool,
) -> Result<crate::reply::Reply, String> {
    let answer = create.until_final(cluster, 0).await?;
    let passed = run.point.is_none() || !lived;
    if run.fate != Fate::NotApplied && !passed {
        return Err("the point was never passed".to_owned());
    }
    let sent = create.sent(cluster);
    // What was applied is found; only what was proven absent is sent again, once.
    let most = if run.fate == Fate::NotApplied { 2 } else { 1 };
    if sent > most { Err(format!("sent {sent} times")) } else { Ok(answer) }
}

/// Leaves the create alone as soon as it has reached the CRM.
async fn interrupted<T>(
    cluster: &Cluster,
    create: &Create,
    first: impl Future<Output = Option<T>>,
) -> Option<T> {
    let arrived = async {
        let began = Instant::now();
        while create.sent(cluster) == 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "the create never reached the CRM");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        reply = first => reply,
        () = arrived => None,
    }
}

fn status_500() -> FaultKind {
    FaultKind::Status {
        code: 500,
        body: "{}".to_owned(),
        content_type: "application/json".to_owned(),
        headers: vec![],
    }
}
