//! What the operator page lists, on both databases.

use std::time::Duration;

use super::ledger::record;
use super::{TestPlace, credential, key, on_both, tenant};
use crate::config::Quotas;
use crate::domain::{CredentialId, FailureKind, TenantId};
use crate::store::{
    Advance, CheckRecord, CredentialRecord, Reservation, RowRange, Stage, Store, TenantRecord, now,
};

const LONG: Duration = Duration::from_mins(10);
const ALL: RowRange = RowRange { skip: 0, take: 100 };

on_both! {
    credentials_that_are_refused_come_first,
    tenants_come_by_refused_credentials_and_by_the_use_of_quotas,
    only_writes_of_unknown_outcome_are_listed_oldest_first,
}

fn checked(id: &str, tenant: &TenantId, code: Option<FailureKind>) -> CredentialRecord {
    let code = code.map(|kind| kind.code().into());
    CredentialRecord { last_check: Some(CheckRecord::after(None, code)), ..credential(id, tenant) }
}

async fn add(store: &Store, name: &str) -> TenantId {
    let new = TenantRecord { created_at: now(), ..tenant(name) };
    store.tenants.insert(&new).await.unwrap();
    new.id
}

async fn credentials_that_are_refused_come_first(place: &TestPlace) {
    let store = place.open().await;
    assert!(store.database.credentials_by_health(ALL).await.unwrap().is_empty());
    let (one, two) = (add(&store, "one").await, add(&store, "two").await);
    let unchecked = CredentialRecord { last_check: None, ..credential("cred_new", &one) };
    let refused = |id, tenant| checked(id, tenant, Some(FailureKind::UpstreamCredentialRejected));
    let mut longer = refused("cred_longer", &one);
    if let Some(check) = &mut longer.last_check {
        check.since = check.since.checked_sub(LONG).unwrap();
    }
    for new in [
        checked("cred_works", &one, None),
        unchecked,
        longer,
        checked("cred_down", &two, Some(FailureKind::UpstreamUnreachable)),
        checked("cred_denied", &two, Some(FailureKind::UpstreamPermissionDenied)),
    ] {
        store.credentials.insert(&new).await.unwrap();
    }
    let listed = store.database.credentials_by_health(ALL).await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|credential| credential.id.as_str()).collect();
    assert_eq!(ids, ["cred_denied", "cred_longer", "cred_down", "cred_new", "cred_works"]);
    let first = &listed[0];
    assert_eq!((first.tenant_name.as_str(), first.provider.as_str()), ("two", "aptly"));
    assert_eq!(first.last_check.as_ref().unwrap().code.as_deref(), Some("upstream_permission_denied"));
    assert_eq!(listed[3].last_check, None);
    let part = store.database.credentials_by_health(RowRange { skip: 1, take: 2 }).await.unwrap();
    assert_eq!(part, listed[1..3]);
    assert_eq!(store.database.totals().await.unwrap().tenants, 2);
    store.tenants.delete(&one).await.unwrap();
    assert_eq!(store.database.totals().await.unwrap().tenants, 1);
}

async fn tenants_come_by_refused_credentials_and_by_the_use_of_quotas(place: &TestPlace) {
    let quotas =
        Quotas { credentials: Some(10), api_keys: Some(4), audit_records: None, ..Quotas::default() };
    let store = Store::open_with(&place.location, quotas).await.unwrap();
    assert!(store.database.tenants_by_need(ALL).await.unwrap().is_empty());
    let [idle, full, broken] =
        [add(&store, "idle").await, add(&store, "full").await, add(&store, "broken").await];
    for number in 0..3 {
        store.keys.insert(&key(&format!("key_{number}"), &full)).await.unwrap();
    }
    let refused = checked("cred_1", &broken, Some(FailureKind::UpstreamCredentialRejected));
    store.credentials.insert(&refused).await.unwrap();
    store.credentials.insert(&checked("cred_2", &broken, None)).await.unwrap();
    assert!(matches!(
        store.idempotency.reserve(&record(&broken, "k", "f"), LONG).await.unwrap(),
        Reservation::Ours
    ));
    let listed = store.database.tenants_by_need(ALL).await.unwrap();
    let ids: Vec<&TenantId> = listed.iter().map(|tenant| &tenant.tenant.id).collect();
    assert_eq!(ids, [&broken, &full, &idle]);
    for one in &listed {
        assert_eq!(one.usage, store.tenants.usage(&one.tenant.id).await.unwrap(), "{:?}", one.tenant);
    }
    let failing: Vec<u64> = listed.iter().map(|tenant| tenant.failing).collect();
    assert_eq!((failing, listed[0].usage.credentials, listed[1].usage.api_keys), (vec![1, 0, 0], 2, 3));
    let part = store.database.tenants_by_need(RowRange { skip: 2, take: 5 }).await.unwrap();
    assert_eq!(part, listed[2..]);
}

async fn only_writes_of_unknown_outcome_are_listed_oldest_first(place: &TestPlace) {
    let store = place.open().await;
    let one = add(&store, "one").await;
    for (key, stages) in [
        ("reserved", &[][..]),
        ("sending", &[Stage::Sending]),
        ("unknown", &[Stage::Sending, Stage::Unknown]),
        ("found", &[Stage::Sending, Stage::Found]),
        ("absent", &[Stage::Sending, Stage::Absent]),
        ("ambiguous", &[Stage::Sending, Stage::Ambiguous]),
        ("done", &[Stage::Sending, Stage::Done]),
    ] {
        store.idempotency.reserve(&record(&one, key, "f"), LONG).await.unwrap();
        for stage in stages {
            let to = Advance { stage: *stage, sends: 1, sealed: Some(b"sealed"), lease: Some(LONG) };
            assert!(store.idempotency.advance(&one, key, "f", &to).await.unwrap());
        }
        // By the clock of the database, whose times are whole milliseconds.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(store.idempotency.postpone(&one, "unknown", "f", LONG).await.unwrap());
    let listed = store.database.open_writes(ALL).await.unwrap();
    let stages: Vec<Stage> = listed.iter().map(|write| write.stage).collect();
    assert_eq!(stages, [Stage::Sending, Stage::Unknown, Stage::Ambiguous]);
    let held: Vec<bool> = listed.iter().map(|write| write.is_held).collect();
    assert_eq!(held, [true, false, true]);
    let write = &listed[1];
    assert_eq!((write.tenant_name.as_str(), write.sends), ("one", 1));
    assert_eq!(write.credential.as_ref().map(CredentialId::as_str), Some("cred_1"));
    let left = write.look_at.duration_since(write.now).as_secs();
    assert!((590..=600).contains(&left), "{left}");
    assert!(write.now >= write.created_at && write.expires_at > write.look_at);
    let part = store.database.open_writes(RowRange { skip: 2, take: 9 }).await.unwrap();
    assert_eq!(part.len(), 1);
}
