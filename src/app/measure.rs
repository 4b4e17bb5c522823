//! Measures the process and the database for the metrics, in the background, so that a scrape waits for neither.

use std::sync::Arc;
use std::time::Duration;

use crate::api::RequestAdmission;
use crate::clock;
use crate::gateway::Gateway;
use crate::store::{Database, Stage, Totals};
use crate::telemetry::series::{self, Measurement, StoredMeasurement};

const MEASURED_EVERY: Duration = Duration::from_secs(5);

/// Measures every few seconds. Never returns.
pub(super) async fn run(gateway: Arc<Gateway>, admission: Arc<RequestAdmission>) {
    let mut ticks = clock::every(MEASURED_EVERY);
    loop {
        ticks.tick().await;
        series::tidy_up();
        let (in_flight, busiest_tenant) = admission.in_flight();
        series::measured(&Measurement {
            in_flight,
            busiest_tenant,
            breakers_open: gateway.upstreams.breakers_open(),
            paused_accounts: gateway.upstreams.paused_accounts(),
            stored: stored(&gateway.database).await,
        });
    }
}

/// `None` if the database cannot be read in time; the failure is logged already.
async fn stored(database: &Database) -> Option<StoredMeasurement> {
    let measured = async {
        database.ready().await?;
        database.totals().await
    };
    let totals = tokio::time::timeout(MEASURED_EVERY, measured).await.ok()?.ok()?;
    let Totals { tenants: _, credentials, ledger, oldest_open, quotas } = totals;
    let health = |ok: Option<bool>| match ok {
        Some(true) => "ok",
        Some(false) => "failing",
        None => "unknown",
    };
    let credentials = credentials.into_iter().map(|(provider, ok, count)| (provider, health(ok), count));
    let rows = |stage: Stage| ledger.iter().filter(|(of, _)| *of == stage).map(|(_, count)| count).sum();
    let age =
        oldest_open.map(|at| clock::now().duration_since(at)).and_then(|age| Duration::try_from(age).ok());
    Some(StoredMeasurement {
        credentials: credentials.collect(),
        ledger: Stage::ALL.into_iter().map(|stage| (stage.as_str(), rows(stage))).collect(),
        oldest_open: age.unwrap_or_default(),
        quotas,
    })
}
