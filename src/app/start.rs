//! The checks of a server before it takes traffic, and its background maintenance.

use std::time::Duration;

use super::{CheckedConfig, Components, checked};
use crate::clock;
use crate::config::{Config, ConfigError};
use crate::gateway::credentials::KeyUsage;
use crate::gateway::{Audit, Ledger, Rotation};
use crate::sealing::{HEAD, Sealer};
use crate::store::{Database, InspectedDatabase, InstancePresence, Store};

const MINUTE: Duration = Duration::from_mins(1);
const WATCHED_EVERY: Duration = Duration::from_secs(3);
/// One of so many checks of the database also writes.
const PROBED_EVERY: u64 = 10;
const MINUTES_A_DAY: u64 = 24 * 60;

/// Refuses to start if no stored secret can be opened with the given master keys: otherwise a mistyped key would show only when
/// all tenants are refused. If some can be opened, only the credentials of the others are refused, because one damaged row
/// must not stop all tenants. The log says so at each start.
pub(super) async fn check_seals(rotation: &Rotation) -> anyhow::Result<()> {
    let usage = rotation.seals().await.map_err(|failure| anyhow::anyhow!("{}", failure.detail.as_str()))?;
    check_usage(usage)
}

/// Reads the database without changing it: its schema, and whether the master keys open its secrets. Returns a sentence about what
/// was found; fails with one that says what to fix.
pub async fn check_live(config: &Config) -> anyhow::Result<String> {
    let CheckedConfig { master_key, previous, location, .. } = checked(config).map_err(ConfigError)?;
    let sealer = Sealer::with_others(&master_key, &previous)
        .map_err(|failure| anyhow::anyhow!("{}", failure.detail.as_str()))?;
    let InspectedDatabase { schema, heads } = Store::inspect(&location, HEAD).await?;
    let usage = KeyUsage::of(heads, &sealer);
    check_usage(usage)?;
    let known = Store::known_schema();
    let update = if schema < known { "; the next start, or `migrate`, updates it" } else { "" };
    let KeyUsage { current, previous, closed: _ } = usage;
    Ok(format!(
        "The database {location} has schema {schema}, and this version has {known}{update}. {current} stored secrets are sealed \
         under the master key, {previous} under previous ones."
    ))
}

fn check_usage(usage: KeyUsage) -> anyhow::Result<()> {
    let KeyUsage { current, previous, closed } = usage;
    anyhow::ensure!(
        closed == 0 || current + previous > 0,
        "none of the database's {closed} stored secrets can be opened with the given master keys: give the key that sealed \
         them as GATEWAY_MASTER_KEY or among GATEWAY_PREVIOUS_MASTER_KEYS, or remove their credentials, which \
         `contacts-gateway master-key rotate` names",
    );
    if closed > 0 {
        tracing::error!(
            secrets = closed,
            "some stored secrets cannot be opened with any given master key, and their credentials fail with \
             secret_unreadable; `contacts-gateway master-key rotate` names them"
        );
    }
    if previous > 0 {
        tracing::warn!(
            secrets = previous,
            "some secrets are sealed under a previous master key; `contacts-gateway master-key rotate` seals them again"
        );
    }
    Ok(())
}

/// Registers this process as serving. If no other process serves, all leases are ended, so that replays need not wait for
/// leases of dead processes. The result is held while this process serves. Fails with a sentence.
pub(super) async fn enter(parts: &Components) -> anyhow::Result<Option<InstancePresence>> {
    let Some(lock) = parts.store.enter().await? else { return Ok(None) };
    if !lock.is_alone() {
        tracing::warn!(
            "another process already serves from this SQLite file; give each its own file, or use PostgreSQL"
        );
    }
    if lock.is_alone() {
        let ended = parts.gateway.ledger.end_leases().await;
        ended.map_err(|failure| anyhow::anyhow!("{}", failure.detail.as_str()))?;
    }
    Ok(Some(lock.stay().await?))
}

/// Each minute records the suppressed refusals and erases audit records beyond a tenant's limit. At the start and once a day
/// it erases old records. Failures are logged and retried the next time.
pub(super) async fn run_maintenance(audit: Audit, retention_days: Option<u32>) {
    let mut minutes = clock::every(MINUTE);
    for minute in 0_u64.. {
        minutes.tick().await;
        audit.flush_suppressed();
        if let Err(failure) = audit.erase_excess().await {
            tracing::warn!(
                reason = failure.kind.code(),
                "audit records beyond a tenant's limit could not be erased; retried in a minute"
            );
        }
        if let (Some(days), 0) = (retention_days, minute % MINUTES_A_DAY) {
            erase(&audit, days).await;
        }
    }
}

/// Checks every few seconds whether the database is still the one that was opened, which is logged. Every half minute, and
/// while the disk is full, it also checks whether the database can be written. Readiness shows the result.
pub(super) async fn watch(database: Database) {
    let mut ticks = clock::every(WATCHED_EVERY);
    for tick in 0_u64.. {
        ticks.tick().await;
        if database.ready().await.is_ok() && (database.is_full() || tick % PROBED_EVERY == 0) {
            let _ = database.probe().await;
        }
    }
}

/// Each minute erases expired writes under an `Idempotency-Key`, and returns the space. Failures are logged.
pub(super) async fn erase_ledger(ledger: Ledger, database: Database) {
    let mut minutes = clock::every(MINUTE);
    loop {
        minutes.tick().await;
        if let Err(failure) = ledger.erase_expired().await {
            tracing::warn!(
                reason = failure.kind.code(),
                "expired writes under an Idempotency-Key could not be erased; retried in a minute"
            );
        }
        // The failure is logged already.
        let _ = database.shrink().await;
    }
}

async fn erase(audit: &Audit, days: u32) {
    let kept = Duration::from_hours(24) * days;
    let Ok(oldest) = crate::clock::now().checked_sub(kept) else { return };
    match audit.erase_before(oldest).await {
        Ok(0) => {}
        Ok(records) => tracing::info!(records, days, "expired audit records were erased"),
        Err(failure) => {
            tracing::warn!(
                reason = failure.kind.code(),
                "expired audit records could not be erased; retried in a day"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Issuers;
    use crate::config::Limits;
    use crate::domain::TenantId;
    use crate::sealing::{MasterKey, Sealer};
    use crate::store::tests::TestPlace;
    use crate::store::{IdempotencyRecord, Reservation, Stage, Store, TenantRecord, now};
    use crate::upstream::{BaseUrlGuard, Transport};

    async fn process(place: &TestPlace) -> Components {
        let store = place.open().await;
        let sealer = Sealer::new(&MasterKey::generate().unwrap()).unwrap();
        let guard = BaseUrlGuard::default();
        let transport = Transport::new(&guard).unwrap();
        Components::join(store, sealer, guard, transport, None, Issuers::default(), Limits::default())
    }

    /// Asks for the key of the one row; answers whether it is held and nobody's.
    async fn is_free(store: &Store, tenant: &TenantId) -> Option<bool> {
        let record = IdempotencyRecord {
            tenant: tenant.clone(),
            key: "k".into(),
            fingerprint: Vec::new(),
            credential: None,
            stage: Stage::Reserved,
            fence: "f".into(),
            sends: 0,
            sealed: None,
            created_at: now(),
            expires_at: now() + MINUTE,
            request_bytes: 0,
        };
        match store.idempotency.reserve(&record, MINUTE * 10).await.unwrap() {
            Reservation::Full { .. } => panic!("the ledger is full"),
            Reservation::Ours => None,
            Reservation::Held { record: _, is_released } => Some(is_released),
        }
    }

    #[tokio::test]
    async fn what_a_dead_process_held_is_let_go_by_one_that_is_alone() {
        let place = TestPlace::new().await;
        let (one, other) = (process(&place).await, process(&place).await);
        let tenant = TenantRecord { id: "ten_1".into(), name: "one".into(), created_at: now() };
        one.store.tenants.insert(&tenant).await.unwrap();
        let serving = enter(&one).await.unwrap().unwrap();
        assert_eq!(is_free(&one.store, &tenant.id).await, None);
        let beside = enter(&other).await.unwrap();
        assert_eq!(is_free(&one.store, &tenant.id).await, Some(false), "its holder serves");
        drop((serving, beside));
        let _alone = enter(&other).await.unwrap();
        assert_eq!(is_free(&other.store, &tenant.id).await, Some(true));
    }
}
