//! Two hostile tenants and an honest one on the real binary, with mixed attacks that are limited in count and time:
//! `cargo test --release --test hostile -- --ignored --nocapture`.
//!
//! `HOSTILE_SECONDS` sets the duration of the attack (default 600). `HOSTILE_ONLY` lists the attacks to run, separated by
//! commas. All traffic stays on loopback.
//!
//! Lookups that never end are not among the attacks, because the binary uses the machine's resolver.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod attackers;
mod attacks;
#[path = "../load/callers.rs"]
#[expect(dead_code, reason = "the load tests need more of it")]
mod callers;
mod figures;
#[path = "../support/gateway_process.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod gateway_process;
mod honest;
mod hostile_crm;
#[path = "../support/raw_request.rs"]
#[expect(dead_code, reason = "not every CRM looks at the whole request")]
mod raw_request;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;

use std::time::{Duration, Instant};

use contacts_gateway::simulators::pipeline;
use rustix::process::{Pid, Signal, kill_process};

use figures::{Figures, Sampler, database_bytes, memory_kib};
use gateway_process::{GatewayProcess, master_key};
use honest::Honest;
use hostile_crm::HostileCrms;

/// The size limit. One hostile tenant writes under `Idempotency-Key`s and may store 1 GiB; everything else is small.
const DISK_QUOTA: u64 = (1024 + 256) << 20;
/// How long the process may take to end: more than any deadline of a call.
const LONGEST_END: Duration = Duration::from_secs(45);

/// The tokens of the honest tenant and of the hostile one that has an account on the same host.
const HONEST_TOKEN: &str = "honest-token-5f2c";
const SHARED_TOKEN: &str = "shared-token-9d41";

fn seconds(variable: &str, default: u64) -> Duration {
    let set = std::env::var_os(variable);
    Duration::from_secs(set.map_or(default, |text| text.to_str().unwrap().parse().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes 13 minutes of a quiet machine: cargo test --release --test hostile -- --ignored --nocapture"]
async fn two_hostile_tenants_do_not_disturb_an_honest_one() {
    let time = seconds("HOSTILE_SECONDS", 600);
    let folder = tempfile::tempdir().unwrap();
    let tokens = vec![HONEST_TOKEN.to_owned(), SHARED_TOKEN.to_owned()];
    let crm = pipeline::PipelineSimulator::start(pipeline::PipelineOptions {
        tokens,
        ..pipeline::PipelineOptions::empty()
    });
    let crm = crm.await.unwrap();
    // The attackers have a runtime of their own, so that they do not slow down the honest tenant's client.
    let attackers =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let hostile = attackers.spawn(HostileCrms::start()).await.unwrap();
    let config = attacks::issuer_file(folder.path(), &hostile);
    let settings = [("GATEWAY_LOG", "info"), ("GATEWAY_CONFIG", config.as_str())];
    let mut serving = GatewayProcess::start(folder.path(), "log", &master_key(), &settings).await;
    let honest = Honest::open(&serving, &crm).await;
    let attacks = attacks::all(&serving, &hostile, &crm).await;

    honest.calls(Duration::from_secs(3)).await;
    let alone = honest.calls((time / 10).clamp(Duration::from_secs(10), Duration::from_mins(1))).await;
    let idle = memory_kib(serving.id(), "VmRSS");
    println!("attacks for {} s: {}", time.as_secs(), attacks::names(&attacks).join(", "));
    let sampler = Sampler::start(serving.id());
    let (under_way, tally) = attackers::start(&attackers, attacks);
    let attacked = honest.calls(time).await;
    drop(under_way);
    let peak = sampler.peak();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let after = memory_kib(serving.id(), "VmRSS");
    let disk = database_bytes(folder.path());
    let ended = ended(&mut serving).await;
    attackers.shutdown_background();

    let figures = Figures { alone, attacked, idle, peak, after, disk, ended };
    println!("{}", figures.table(&tally.lock().unwrap()));
    let broken = figures.broken(DISK_QUOTA);
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The exit code after TERM, and how long the process took to end; `None` if it did not end.
async fn ended(serving: &mut GatewayProcess) -> Option<(i32, Duration)> {
    let began = Instant::now();
    kill_process(Pid::from_raw(i32::try_from(serving.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    while began.elapsed() < LONGEST_END {
        if let Some(status) = serving.process.try_wait().unwrap() {
            return Some((status.code().unwrap_or(-1), began.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}
