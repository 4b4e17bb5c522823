//! Instructions per request, counted by callgrind: nearly the same in each run, whatever else the machine does.
//!
//! The gateway runs under callgrind with one worker thread, the mock and the caller do not. Each case is warmed up; then its
//! instructions are counted from one dump to the next. What the kernel does is not counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cases::{self, Case};
use crate::load::{self, Connection};
use crate::mock::Mock;
use crate::processes::{Gateway, Process, Way};

/// By how many percent a count may exceed the noted one.
const MOST_PERCENT: u64 = 5;

/// How long the idle process is counted: some rounds of its background checks.
const IDLE_SECONDS: u64 = 9;

/// Instructions per request by the case's key.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Counts the cases in `wanted`, all if it is empty. Their profiles are left in the folder `keep`.
pub(crate) async fn count(
    binary: &Path,
    mock: &Mock,
    wanted: &[String],
    keep: Option<&Path>,
) -> Result<Counts> {
    let gateway = Gateway::prepare(binary, mock, None)?;
    let mut process = gateway.start(Way::Counted)?;
    gateway.begin_count(&process)?;
    let cases = cases::all(&gateway);
    first(&gateway, &cases[0]).await?;
    let idle = idle_a_second(&gateway, &process).await?;
    eprintln!("{idle} instructions a second without requests are subtracted");
    let mut counts = Counts::new();
    for case in &cases {
        let is_wanted = wanted.is_empty() || wanted.iter().any(|key| key == case.key);
        if is_wanted && case.counted.1 > 0 {
            let kept = keep.map(|folder| folder.join(format!("{}.callgrind", case.key)));
            let count = one(&gateway, &process, case, idle, kept.as_deref())
                .await
                .with_context(|| case.key.to_owned())?;
            println!("{:<16}{count:>12}", case.key);
            counts.insert(case.key.to_owned(), count);
        }
    }
    process.stop();
    Ok(counts)
}

/// What the process does without requests, such as checks of its database. Under callgrind a request takes so long that this
/// would count.
async fn idle_a_second(gateway: &Gateway, process: &Process) -> Result<u64> {
    gateway.counted(process, None)?;
    tokio::time::sleep(Duration::from_secs(IDLE_SECONDS)).await;
    Ok(gateway.counted(process, None)? / IDLE_SECONDS)
}

async fn one(
    gateway: &Gateway,
    process: &Process,
    case: &Case,
    idle: u64,
    kept: Option<&Path>,
) -> Result<u64> {
    let (before, counted) = case.counted;
    let run = async |requests| {
        let round = load::closed(gateway.address, 1, Duration::MAX, requests, &case.requests).await?;
        ensure!(round.failed == 0, "{} of {} responses are not 2xx", round.failed, round.requests);
        Ok(())
    };
    first(gateway, case).await?;
    run(before).await?;
    gateway.counted(process, None)?;
    let began = Instant::now();
    run(counted).await?;
    let idle = idle * u64::try_from(began.elapsed().as_millis())? / 1_000;
    Ok(gateway.counted(process, kept)?.saturating_sub(idle) / u64::from(counted))
}

/// Sends requests until one succeeds: the first ones may take longer than their deadline under callgrind.
async fn first(gateway: &Gateway, case: &Case) -> Result<()> {
    for sent in 0..10 {
        let mut connection = Connection::open(gateway.address).await?;
        if matches!(connection.call(&(case.requests)(0, sent)).await?.0, 200..300) {
            return Ok(());
        }
    }
    bail!("no response is 2xx")
}

/// The noted counts: a name and a number a line.
pub(crate) fn read(text: &str) -> Counts {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(key, count)| Some((key.to_owned(), count.trim().parse().ok()?)))
        .collect()
}

/// The counts as the file has them.
pub(crate) fn written(counts: &Counts) -> String {
    let lines = counts.iter().map(|(key, count)| format!("{key} {count}\n"));
    let head =
        "# Instructions per request; benches/gateway/main.rs has the command that counts and saves them.\n";
    std::iter::once(head.to_owned()).chain(lines).collect()
}

/// Fails if a count exceeds the noted one by more than [`MOST_PERCENT`].
pub(crate) fn check(counts: &Counts, noted: &Counts) -> Result<()> {
    let risen = |(key, count): (&String, &u64)| {
        let noted = *noted.get(key)?;
        (count * 100 > noted * (100 + MOST_PERCENT))
            .then(|| format!("{key}: {noted} were noted, {count} now"))
    };
    let risen: Vec<String> = counts.iter().filter_map(risen).collect();
    ensure!(
        risen.is_empty(),
        "instructions per request rose by more than {MOST_PERCENT} %:\n{}",
        risen.join("\n")
    );
    Ok(())
}
