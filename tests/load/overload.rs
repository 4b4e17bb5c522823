//! Five times what can be done is asked for: what can be done is done, and the rest is refused in milliseconds.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::callers::{Caller, Went, quantile};
use crate::crm::Line;
use crate::{ALONE, gateway};

/// The CRM does a hundred calls a second: eight at a time, 80 ms each.
const AT_ONCE: usize = 8;
const EACH: Duration = Duration::from_millis(80);
/// An answer that comes later is good for nothing.
const GOOD: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(1500);
const FLOOD: Duration = Duration::from_secs(6);

/// The figures of one run.
#[derive(Debug)]
struct Figures {
    /// Good answers a second, at their peak and under the flood.
    peak: f64,
    flooded: f64,
    /// Calls that were neither answered well nor refused as they should.
    strange: usize,
    refusals_p99: Duration,
    alive_p99: Duration,
}

/// Measures a gateway that lets in so many; 0 is without bound.
async fn measured(in_flight: &str) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let crm = Line::open(AT_ONCE, EACH).await;
    let settings = [("GATEWAY_IN_FLIGHT", in_flight), ("GATEWAY_TENANT_IN_FLIGHT", "0")];
    let serving = gateway(folder.path(), &settings).await;
    let (_, key) = serving.tenant("one").await;
    let credential = json!({ "provider": "pipeline", "name": "n", "secret": { "token": crm.token() },
        "settings": { "baseUrl": crm.base_url(), "defaultRegion": "US" } });
    let credential = serving.link(&key, credential).await;
    let path = format!("/crm/contacts?credentialId={credential}");
    let caller = Caller::new(&serving.address, &path, &key);
    assert_eq!(caller.call().await.status, 200);
    let mut peak = 0.0_f64;
    for many in [1, 2, 4, 8, 16] {
        let began = Instant::now();
        let rate = rate(&caller.in_turns(many, STEP).await, began);
        println!("  {many:2} callers in turns: {rate:.0} good answers a second");
        peak = peak.max(rate);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred calls")]
    let offered = (peak * 5.0) as u32;
    let health = Caller::new(&serving.address, "/livez", "");
    let began = Instant::now();
    let (went, alive) = tokio::join!(caller.at_a_rate(offered, FLOOD), health.at_a_rate(50, FLOOD));
    let flooded = rate(&went, began);
    let refused: Vec<Went> = went.iter().filter(|went| went.status == 503).copied().collect();
    let strange = went.iter().filter(|went| !matches!(went.status, 200 | 503)).count();
    let dead = alive.iter().filter(|went| went.status != 200).count();
    let (refusals_p99, alive_p99) = (quantile(&refused, 0.99), quantile(&alive, 0.99));
    Figures { peak, flooded, strange: strange + dead, refusals_p99, alive_p99 }
}

#[expect(clippy::cast_precision_loss, reason = "some thousand calls")]
fn rate(went: &[Went], began: Instant) -> f64 {
    let good = went.iter().filter(|went| went.status == 200 && went.took <= GOOD).count();
    good as f64 / began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes 20 seconds of a quiet machine"]
async fn overload_keeps_the_peak_and_refuses_the_rest_at_once() {
    let _alone = ALONE.lock().await;
    let figures = measured("16").await;
    println!("{figures:?}");
    assert!(figures.flooded >= 0.9 * figures.peak, "{figures:?}");
    assert!(figures.refusals_p99 < Duration::from_millis(50), "{figures:?}");
    assert!(figures.alive_p99 < Duration::from_millis(100), "{figures:?}");
    assert_eq!(figures.strange, 0, "{figures:?}");
}

/// The measurement has teeth: without the bound the same flood ends in answers that come too late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes 30 seconds of a quiet machine"]
async fn overload_without_a_bound_is_seen_to_collapse() {
    let _alone = ALONE.lock().await;
    let figures = measured("0").await;
    println!("{figures:?}");
    assert!(figures.flooded < 0.5 * figures.peak, "{figures:?}");
}
