//! What each tenant has stored: counted exactly, whoever writes, and limited exactly over all processes on one database.

use std::time::Duration;

use futures_util::future::join_all;

use super::ledger::record;
use super::{TestPlace, audit, credential, key, on_both, tenant};
use crate::config::Quotas;
use crate::domain::{FailureKind, TenantId, Timestamp};
use crate::store::schema::STEPS;
use crate::store::{
    Advance, CheckRecord, CredentialRecord, IdempotencyRecord, Location, Reservation, Stage, Store,
    TenantRecord, now,
};

const LONG: Duration = Duration::from_mins(10);
const NONE: Duration = Duration::ZERO;
/// What each row counts for beside its contents, and an open one for its response.
const ROW: u64 = 512;
const OPEN: u64 = 65_536;

on_both! {
    what_is_stored_is_counted_whoever_writes_and_removes_it,
    rows_of_an_earlier_version_are_counted_when_the_schema_is_brought_up_to_date,
    a_full_ledger_takes_no_new_key_over_all_processes_and_keeps_every_promise_to_the_old_ones,
    an_open_write_counts_for_its_response_and_its_request,
    rows_that_have_ended_give_their_room_back,
    keys_and_credentials_are_limited_over_all_processes,
    audit_records_beyond_the_limit_are_erased_oldest_first_and_refuse_nothing,
    totals_count_what_all_tenants_have,
}

async fn open_with(place: &TestPlace, quotas: Quotas) -> Store {
    Store::open_with(&place.location, quotas).await.unwrap()
}

async fn house(place: &TestPlace, quotas: Quotas) -> (Store, TenantId) {
    let store = open_with(place, quotas).await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    (store, one.id)
}

/// Rows, bytes, credentials, keys, audit records.
async fn counts(store: &Store, tenant: &TenantId) -> (u64, u64, u64, u64, u64) {
    let usage = store.tenants.usage(tenant).await.unwrap();
    (usage.ledger_rows, usage.ledger_bytes, usage.credentials, usage.api_keys, usage.audit_records)
}

async fn bytes(store: &Store, tenant: &TenantId) -> u64 {
    counts(store, tenant).await.1
}

fn ours(reserved: &Reservation) -> bool {
    matches!(reserved, Reservation::Ours)
}

const fn to(stage: Stage, sealed: Option<&[u8]>) -> Advance<'_> {
    Advance { stage, sends: 1, sealed, lease: None }
}

async fn totals_count_what_all_tenants_have(place: &TestPlace) {
    let quotas = Quotas { credentials: Some(4), api_keys: None, ..Quotas::default() };
    let (store, one) = house(place, quotas).await;
    let none = store.database.totals().await.unwrap();
    assert_eq!((none.credentials, none.oldest_open), (Vec::new(), None));
    let two = tenant("two");
    store.tenants.insert(&two).await.unwrap();
    let unchecked = CredentialRecord { last_check: None, ..credential("cred_3", &two.id) };
    let refused = |id: &str, tenant: &TenantId| {
        let mut refused = credential(id, tenant);
        let code = FailureKind::UpstreamCredentialRejected.code();
        refused.last_check = Some(CheckRecord::after(None, Some(code.into())));
        refused
    };
    // The check of the last one failed because the CRM could not be reached, which says nothing about the credential.
    for new in [refused("cred_1", &one), refused("cred_2", &two.id), unchecked, credential("cred_4", &two.id)]
    {
        store.credentials.insert(&new).await.unwrap();
    }
    let begun = now();
    for (tenant, key, stages) in [
        (&one, "a", &[Stage::Sending, Stage::Done][..]),
        (&two.id, "b", &[Stage::Sending, Stage::Done]),
        (&two.id, "c", &[Stage::Sending, Stage::Unknown]),
        (&two.id, "d", &[]),
    ] {
        assert!(ours(&store.idempotency.reserve(&record(tenant, key, "f"), LONG).await.unwrap()));
        for stage in stages {
            assert!(store.idempotency.advance(tenant, key, "f", &to(*stage, Some(&[7]))).await.unwrap());
        }
    }
    let totals = store.database.totals().await.unwrap();
    let of =
        |ok: Option<bool>| totals.credentials.iter().find(|(_, of, _)| *of == ok).map(|(.., count)| *count);
    assert_eq!((of(Some(false)), of(None), of(Some(true))), (Some(2), Some(2), None));
    let rows =
        |stage: Stage| totals.ledger.iter().find(|(of, _)| *of == stage).map_or(0, |(_, count)| *count);
    let stages = [Stage::Reserved, Stage::Sending, Stage::Unknown, Stage::Done];
    assert_eq!(stages.map(rows), [1, 0, 1, 2]);
    // By the database's clock.
    let age = totals.oldest_open.unwrap().duration_since(begun).abs();
    assert!(age < jiff::SignedDuration::from_mins(1), "{age}");
    let quota = |name: &str| totals.quotas.iter().find(|(of, _)| *of == name).map(|(_, ratio)| *ratio);
    assert!(quota("credentials").is_some_and(|ratio| (ratio - 0.75).abs() < 1e-9));
    assert_eq!(quota("api_keys"), None, "it has no limit");
}

async fn what_is_stored_is_counted_whoever_writes_and_removes_it(place: &TestPlace) {
    let (store, one) = house(place, Quotas::default()).await;
    let ledger = &store.idempotency;
    assert_eq!(counts(&store, &one).await, (0, 0, 0, 0, 0));
    assert!(ours(&ledger.reserve(&record(&one, "a", "f"), LONG).await.unwrap()));
    assert_eq!(bytes(&store, &one).await, ROW + OPEN);
    assert!(ledger.advance(&one, "a", "f", &to(Stage::Sending, Some(&[7; 9_000]))).await.unwrap());
    assert_eq!(bytes(&store, &one).await, ROW + OPEN + 9_000);
    assert!(ledger.renew(&one, "a", "f", LONG).await.unwrap());
    assert!(ledger.advance(&one, "a", "f", &to(Stage::Done, Some(&[7; 100]))).await.unwrap());
    assert_eq!(bytes(&store, &one).await, ROW + 100);
    for key in ["b", "c"] {
        assert!(ours(&ledger.reserve(&record(&one, key, "f"), LONG).await.unwrap()));
    }
    assert!(ledger.remove(&one, "b", "f").await.unwrap());
    assert!(!ledger.remove(&one, "b", "f").await.unwrap());
    store.credentials.insert(&credential("cred_1", &one)).await.unwrap();
    store.keys.insert(&key("key_1", &one)).await.unwrap();
    store.keys.insert(&key("key_2", &one)).await.unwrap();
    assert!(store.keys.delete(&one, &"key_1".into()).await.unwrap());
    store.audit.append_many(&[audit("aud_1", Some(&one), 1), audit("aud_2", None, 2)]).await.unwrap();
    store.audit.append(&audit("aud_1", Some(&one), 1)).await.unwrap();
    assert_eq!(counts(&store, &one).await, (2, ROW + 100 + ROW + OPEN, 1, 1, 1));
    // As the version before writes.
    place
        .statement(
            "INSERT INTO idempotency (tenant_id, key, fingerprint, stage, fence, lease_until, look_at, sends, created_at, \
             expires_at) VALUES ('ten_one', 'old', (SELECT fingerprint FROM idempotency LIMIT 1), 'reserved', 'f', 0, 0, 0, 0, 0)",
        )
        .await
        .unwrap_or_else(|_| panic!("the version before must be able to write"));
    assert_eq!(counts(&store, &one).await.0, 3);
    place.statement("DELETE FROM idempotency WHERE key IN ('old', 'c')").await.unwrap();
    place.statement("DELETE FROM audit").await.unwrap();
    assert_eq!(counts(&store, &one).await, (1, ROW + 100, 1, 1, 0));
    store.audit.append(&audit("aud_3", Some(&one), 3)).await.unwrap();
    assert!(store.tenants.delete(&one).await.unwrap());
    assert_eq!(counts(&store, &one).await, (0, 0, 0, 0, 1), "the audit outlives its tenant");
    store.tenants.insert(&tenant("one")).await.unwrap();
    assert!(ours(&ledger.reserve(&record(&one, "a", "f"), LONG).await.unwrap()));
    assert_eq!(counts(&store, &one).await, (1, ROW + OPEN, 0, 0, 1));
}

async fn rows_of_an_earlier_version_are_counted_when_the_schema_is_brought_up_to_date(place: &TestPlace) {
    let sqlite = matches!(place.location, Location::Sqlite(_));
    if sqlite {
        std::fs::File::create(place.path()).unwrap();
    }
    for step in &STEPS[..3] {
        place.statement(if sqlite { step.sqlite } else { step.postgres }).await.unwrap();
    }
    let mark = if sqlite {
        "PRAGMA user_version = 3; PRAGMA application_id = 1667725105"
    } else {
        "CREATE TABLE schema_use (version BIGINT NOT NULL, usable_by BIGINT NOT NULL); INSERT INTO schema_use VALUES (3, 1)"
    };
    place.statement(mark).await.unwrap();
    place
        .statement(
            "INSERT INTO tenants VALUES ('ten_one', 'one', 1), ('ten_two', 'two', 2);
             INSERT INTO idempotency (tenant_id, key, fingerprint, stage, fence, lease_until, look_at, sends, sealed, \
             created_at, expires_at) VALUES \
             ('ten_one', 'a', CAST('x' AS BYTES), 'done', 'f', 0, 0, 1, CAST('12345' AS BYTES), 0, 0), \
             ('ten_one', 'b', CAST('x' AS BYTES), 'unknown', 'f', 0, 0, 1, CAST('12' AS BYTES), 0, 0);"
                .replace("BYTES", if sqlite { "BLOB" } else { "BYTEA" })
                .leak(),
        )
        .await
        .unwrap();
    place
        .statement(
            "INSERT INTO audit (id, at, actor_kind, tenant_id, action, fields, outcome) VALUES \
             ('aud_1', 1, 'cli', 'ten_gone', 'x', '[]', 'ok'), ('aud_2', 1, 'cli', NULL, 'x', '[]', 'ok')",
        )
        .await
        .unwrap();
    let store = place.open().await;
    assert_eq!(counts(&store, &"ten_one".into()).await, (2, ROW + 5 + ROW + OPEN + 2, 0, 0, 0));
    assert_eq!(counts(&store, &"ten_two".into()).await, (0, 0, 0, 0, 0));
    assert_eq!(counts(&store, &"ten_gone".into()).await, (0, 0, 0, 0, 1));
    assert!(store.idempotency.remove(&"ten_one".into(), "b", "f").await.unwrap());
    assert_eq!(counts(&store, &"ten_one".into()).await, (1, ROW + 5, 0, 0, 0));
}

async fn a_full_ledger_takes_no_new_key_over_all_processes_and_keeps_every_promise_to_the_old_ones(
    place: &TestPlace,
) {
    let quotas = Quotas { ledger_rows: Some(5), ..Quotas::default() };
    let (store, one) = house(place, quotas).await;
    let other = open_with(place, quotas).await;
    let records: Vec<_> = (0..16).map(|n| record(&one, &format!("key {n}"), "mine")).collect();
    let asked = records.iter().enumerate().map(|(n, record)| {
        let store = if n % 2 == 0 { &store } else { &other };
        store.idempotency.reserve(record, LONG)
    });
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for (record, reserved) in records.iter().zip(join_all(asked).await) {
        match reserved.unwrap() {
            Reservation::Ours => taken.push(record),
            Reservation::Full { retry_after } => {
                let minutes = retry_after.as_secs() / 60;
                assert!((24 * 60 - 10..24 * 60 + 10).contains(&minutes), "{retry_after:?}");
                refused.push(record);
            }
            held @ Reservation::Held { .. } => panic!("{held:?}"),
        }
    }
    assert_eq!((taken.len(), refused.len()), (5, 11));
    let ledger = &store.idempotency;
    for record in &taken {
        assert!(matches!(ledger.reserve(record, LONG).await.unwrap(), Reservation::Held { .. }), "a replay");
        let response = vec![1; 100_000];
        let done = to(Stage::Done, Some(&response));
        assert!(ledger.advance(&one, &record.key, "mine", &done).await.unwrap(), "an outcome is recorded");
    }
    assert!(!ours(&ledger.reserve(refused[0], LONG).await.unwrap()));
    let two = tenant("two");
    store.tenants.insert(&two).await.unwrap();
    assert!(ours(&ledger.reserve(&record(&two.id, "key 0", "f"), LONG).await.unwrap()), "another tenant");
    assert!(ledger.remove(&one, &taken[0].key, "mine").await.unwrap());
    assert!(ours(&ledger.reserve(refused[0], LONG).await.unwrap()), "there is room again");
    assert!(!ours(&ledger.reserve(refused[1], LONG).await.unwrap()));
    let unlimited = open_with(place, Quotas { ledger_rows: None, ledger_bytes: None, ..quotas }).await;
    assert!(ours(&unlimited.idempotency.reserve(refused[1], LONG).await.unwrap()));
    let nobody = unlimited.idempotency.reserve(&record(&"ten_nobody".into(), "k", "f"), LONG).await;
    assert_eq!(nobody.unwrap_err().kind, FailureKind::TenantNotFound);
}

async fn an_open_write_counts_for_its_response_and_its_request(place: &TestPlace) {
    let quotas = Quotas { ledger_bytes: Some(3 * (ROW + OPEN) + 2_000), ..Quotas::default() };
    let (store, one) = house(place, quotas).await;
    let ledger = &store.idempotency;
    let with = |key: &str, request_bytes| IdempotencyRecord { request_bytes, ..record(&one, key, "f") };
    assert!(ours(&ledger.reserve(&with("a", 50), LONG).await.unwrap()));
    assert!(ours(&ledger.reserve(&with("b", 0), LONG).await.unwrap()));
    assert!(!ours(&ledger.reserve(&with("c", 1_951), LONG).await.unwrap()));
    assert!(ours(&ledger.reserve(&with("c", 1_950), LONG).await.unwrap()));
    assert!(!ours(&ledger.reserve(&with("d", 0), LONG).await.unwrap()));
    // Recorded above the quota all the same.
    assert!(ledger.advance(&one, "a", "f", &to(Stage::Done, Some(&vec![1; 300_000]))).await.unwrap());
    assert!(ledger.remove(&one, "c", "f").await.unwrap());
    assert!(!ours(&ledger.reserve(&with("d", 0), LONG).await.unwrap()));
    // A row is left that counts for what it holds.
    assert!(ledger.advance(&one, "a", "f", &to(Stage::Done, Some(&[1; 88]))).await.unwrap());
    assert!(ours(&ledger.reserve(&with("d", 0), LONG).await.unwrap()));
    assert!(!ours(&ledger.reserve(&with("e", 1_401), LONG).await.unwrap()));
    assert!(ours(&ledger.reserve(&with("e", 1_400), LONG).await.unwrap()));
}

async fn rows_that_have_ended_give_their_room_back(place: &TestPlace) {
    let quotas = Quotas { ledger_rows: Some(2), ..Quotas::default() };
    let (store, one) = house(place, quotas).await;
    let ledger = &store.idempotency;
    let ended = |key: &str| IdempotencyRecord {
        expires_at: Timestamp::from_millisecond(now().as_millisecond() - 60_000).unwrap(),
        ..record(&one, key, "f")
    };
    for key in ["a", "b"] {
        assert!(ours(&ledger.reserve(&ended(key), NONE).await.unwrap()));
    }
    assert!(!ours(&ledger.reserve(&record(&one, "c", "f"), NONE).await.unwrap()));
    assert!(
        ours(&ledger.reserve(&record(&one, "a", "g"), NONE).await.unwrap()),
        "in the place of the ended one"
    );
    assert_eq!(ledger.erase_expired(10).await, Ok(1));
    assert_eq!(counts(&store, &one).await.0, 1);
    assert!(ours(&ledger.reserve(&record(&one, "c", "f"), NONE).await.unwrap()));
}

async fn keys_and_credentials_are_limited_over_all_processes(place: &TestPlace) {
    let quotas = Quotas { credentials: Some(4), api_keys: Some(3), ..Quotas::default() };
    let (store, one) = house(place, quotas).await;
    let other = open_with(place, quotas).await;
    let store_of = |n: usize| if n.is_multiple_of(2) { &store } else { &other };
    let (credentials, keys): (Vec<_>, Vec<_>) =
        (0..12).map(|n| (credential(&format!("cred_{n}"), &one), key(&format!("key_{n}"), &one))).unzip();
    let added = credentials.iter().enumerate().map(|(n, row)| store_of(n).credentials.insert(row));
    let (good, bad): (Vec<_>, Vec<_>) = join_all(added).await.into_iter().partition(Result::is_ok);
    assert_eq!(good.len(), 4);
    assert!(bad.into_iter().all(|failure| failure.unwrap_err().kind == FailureKind::QuotaExceeded));
    let added = keys.iter().enumerate().map(|(n, row)| store_of(n).keys.insert(row));
    let (good, bad): (Vec<_>, Vec<_>) = join_all(added).await.into_iter().partition(Result::is_ok);
    assert_eq!(good.len(), 3);
    assert!(bad.into_iter().all(|failure| failure.unwrap_err().kind == FailureKind::QuotaExceeded));
    let held = store.credentials.list(&one, None, 20).await.unwrap();
    let again = CredentialRecord { id: "cred_again".into(), ..held[0].clone() };
    assert_eq!(store.credentials.insert(&again).await.unwrap_err().kind, FailureKind::NameTaken);
    assert!(store.credentials.update(&held[1]).await.unwrap(), "a change needs no room");
    assert!(store.credentials.delete(&one, &held[0].id).await.unwrap());
    store.credentials.insert(&again).await.unwrap();
    let stranger = store.keys.insert(&key("key_x", &"ten_nobody".into())).await;
    assert_eq!(stranger.unwrap_err().kind, FailureKind::TenantNotFound);
}

async fn audit_records_beyond_the_limit_are_erased_oldest_first_and_refuse_nothing(place: &TestPlace) {
    let quotas = Quotas { audit_records: Some(10), ..Quotas::default() };
    let (store, one) = house(place, quotas).await;
    let two = TenantRecord { id: "ten_two".into(), ..tenant("two") }.id;
    let records: Vec<_> = (0..15).map(|n| audit(&format!("aud_{n:02}"), Some(&one), n)).collect();
    store.audit.append_many(&records).await.unwrap();
    let others: Vec<_> = (0..10).map(|n| audit(&format!("aud_two_{n}"), Some(&two), 0)).collect();
    store.audit.append_many(&others).await.unwrap();
    assert_eq!(store.audit.excessive().await.unwrap(), [(one.clone(), 5)]);
    for (limit, erased) in [(2, 2), (3, 3)] {
        assert_eq!(store.audit.erase_oldest(&one, limit).await, Ok(erased));
    }
    assert!(store.audit.excessive().await.unwrap().is_empty());
    let all = crate::store::AuditQuery { limit: 100, ..crate::store::AuditQuery::default() };
    let left = store.audit.list(&all).await.unwrap();
    assert_eq!(left.len(), 20);
    assert!(left.iter().all(|record| record.tenant == Some(two.clone()) || record.at.as_millisecond() >= 5));
}
