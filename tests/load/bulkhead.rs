//! One tenant's CRM hangs, drips, floods or refuses: another tenant's calls take as long as before.

use std::time::Duration;

use contacts_gateway::simulators::{Fault, FaultKind, Running, pipeline};
use serde_json::json;

use crate::callers::{Caller, quantile};
use crate::gateway_process::GatewayProcess;
use crate::{ALONE, gateway};

/// How long the other tenant's CRM takes.
const EACH: u64 = 100;
/// Callers of the other tenant, one measurement, and how often alone and together are measured in turns.
const CALLERS: usize = 16;
const TIME: Duration = Duration::from_secs(2);
const ROUNDS: usize = 7;

/// What befalls the first tenant's CRM, and how its callers go on: so many at once, then so many a second.
struct Trouble {
    name: &'static str,
    kind: FaultKind,
    at_once: u32,
    per_second: u32,
}

fn troubles() -> Vec<Trouble> {
    let trouble = |name, kind, at_once, per_second| Trouble { name, kind, at_once, per_second };
    vec![
        trouble("hangs", FaultKind::NeverAnswer, 80, 20),
        trouble("drips", FaultKind::Drip { ms: 1000 }, 80, 20),
        // Few a second: each makes the gateway read 5 MiB, and this machine's cores are everybody's.
        trouble("floods", FaultKind::Oversized { bytes: 100_000_000, declared: false }, 0, 5),
        trouble("refuses", FaultKind::TooManyRequests { retry_after: Some("1".to_owned()) }, 50, 50),
    ]
}

/// A new tenant at `crm`, ready to call.
async fn tenant(serving: &GatewayProcess, name: &str, crm: &Running) -> Caller {
    let (_, key) = serving.tenant(name).await;
    let credential = json!({ "provider": "pipeline", "name": "n", "secret": { "token": crm.token() },
        "settings": { "baseUrl": crm.base_url(), "defaultRegion": "US" } });
    let credential = serving.link(&key, credential).await;
    Caller::new(&serving.address, &format!("/crm/contacts?credentialId={credential}"), &key)
}

/// The other tenant's p99, median of the rounds: alone, and together with the trouble; and its calls that failed.
async fn measured(trouble: &Trouble, settings: &[(&str, &str)]) -> (Duration, Duration, usize) {
    let folder = tempfile::tempdir().unwrap();
    let [sick, well] = [
        pipeline::PipelineSimulator::start(pipeline::PipelineOptions::empty()).await.unwrap(),
        simulator().await,
    ];
    let serving = gateway(folder.path(), settings).await;
    let (first, other) = (tenant(&serving, "first", &sick).await, tenant(&serving, "other", &well).await);
    assert_eq!((first.call().await.status, other.call().await.status), (200, 200));
    sick.fault(Fault::always(trouble.kind.clone()));
    let (mut alone, mut together, mut failed) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        alone.push(quantile(&other.in_turns(CALLERS, TIME).await, 0.99));
        let (calls, _) = first.without_end(trouble.at_once, trouble.per_second);
        // The trouble is there before it is measured, and what its beginning costs this machine is over.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let went = other.in_turns(CALLERS, TIME).await;
        failed += went.iter().filter(|went| went.status != 200).count();
        together.push(quantile(&went, 0.99));
        drop(calls);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    println!("  {}: alone {alone:?}, together {together:?}, {failed} failed", trouble.name);
    (median(alone), median(together), failed)
}

async fn simulator() -> Running {
    let crm = pipeline::PipelineSimulator::start(pipeline::PipelineOptions::empty()).await.unwrap();
    crm.fault(Fault::always(FaultKind::Latency { ms: EACH }));
    crm
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes two minutes of a quiet machine"]
async fn bulkhead_keeps_one_tenants_trouble_from_the_other() {
    let _alone = ALONE.lock().await;
    let mut leaks = Vec::new();
    for trouble in troubles() {
        let (alone, together, failed) = measured(&trouble, &[]).await;
        let ratio = together.as_secs_f64() / alone.as_secs_f64();
        println!("{}: p99 alone {alone:?}, together {together:?}, ratio {ratio:.2}", trouble.name);
        if ratio > 1.2 || failed > 0 {
            leaks.push(format!("{}: ratio {ratio:.2}, {failed} failed", trouble.name));
        }
    }
    assert!(leaks.is_empty(), "{leaks:?}");
}

/// The measurement has teeth: where tenants share all places, one that hangs takes them from the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes 20 seconds of a quiet machine"]
async fn bulkhead_without_walls_is_seen_to_leak() {
    let _alone = ALONE.lock().await;
    let settings = [("GATEWAY_TENANT_IN_FLIGHT", "0"), ("GATEWAY_IN_FLIGHT", "64")];
    let (_, _, failed) = measured(&troubles()[0], &settings).await;
    assert!(failed > 0, "the other tenant lost nothing");
}
