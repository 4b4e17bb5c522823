//! What the ledger of writes and the locks promise on both databases.

use std::time::Duration;

use futures_util::future::join_all;

use super::server::Server;
use super::{TestPlace, on_both, tenant};
use crate::domain::{FailureKind, TenantId, Text, Timestamp};
use crate::store::{Advance, IdempotencyRecord, Reservation, Stage, Store, now};

/// More than any test takes.
const LONG: Duration = Duration::from_mins(10);
const NONE: Duration = Duration::ZERO;

on_both! {
    of_many_who_ask_at_once_one_gets_the_key,
    a_row_comes_back_as_it_was_written_also_after_a_restart,
    a_row_is_taken_over_once_and_only_when_it_was_let_go,
    who_takes_over_sees_what_was_written_last,
    a_former_holder_can_change_nothing,
    no_clock_ends_a_lease,
    a_lease_is_ended_only_as_it_was_seen,
    a_released_key_is_free,
    open_creates_are_found_when_nobody_holds_them,
    open_creates_come_of_each_tenant_and_credential_in_turn,
    an_expired_row_gives_way_and_is_erased_unless_somebody_holds_it,
    a_removed_tenant_takes_its_rows_along,
    locks_are_taken_all_or_none,
    of_many_who_want_the_same_locks_one_gets_them,
    a_lock_is_ended_only_as_it_was_seen,
}

async fn house(place: &TestPlace) -> (Store, TenantId) {
    let store = place.open().await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    (store, one.id)
}

pub(super) fn record(tenant: &TenantId, key: &str, fence: &str) -> IdempotencyRecord {
    let created_at = now();
    IdempotencyRecord {
        tenant: tenant.clone(),
        key: key.into(),
        fingerprint: vec![0, 7, 0xff],
        credential: Some("cred_1".into()),
        stage: Stage::Reserved,
        fence: fence.into(),
        sends: 0,
        sealed: None,
        created_at,
        expires_at: created_at + Duration::from_hours(24),
        request_bytes: 0,
    }
}

const fn sending(sealed: Option<&[u8]>, lease: Option<Duration>) -> Advance<'_> {
    Advance { stage: Stage::Sending, sends: 1, sealed, lease }
}

async fn standing(store: &Store, tenant: &TenantId, key: &str) -> (IdempotencyRecord, bool) {
    match store.idempotency.reserve(&record(tenant, key, "nobody"), LONG).await.unwrap() {
        Reservation::Held { record, is_released } => (*record, is_released),
        reserved => panic!("the key was free: {reserved:?}"),
    }
}

async fn take(store: &Store, record: &IdempotencyRecord, lease: Duration) {
    let reserved = store.idempotency.reserve(record, lease).await.unwrap();
    assert!(matches!(reserved, Reservation::Ours), "{reserved:?}");
}

async fn of_many_who_ask_at_once_one_gets_the_key(place: &TestPlace) {
    let (store, one) = house(place).await;
    let other = place.open().await;
    for round in 0..10 {
        let key = format!("key {round}");
        let records: Vec<_> = (0..12).map(|n| record(&one, &key, &format!("fence {n}"))).collect();
        let asked = records.iter().enumerate().map(|(n, record)| {
            let store = if n % 2 == 0 { &store } else { &other };
            store.idempotency.reserve(record, LONG)
        });
        let (mut winner, mut seen) = (None, Vec::new());
        for (n, reserved) in join_all(asked).await.into_iter().enumerate() {
            match reserved.unwrap() {
                Reservation::Ours => assert_eq!(winner.replace(format!("fence {n}")), None, "two got {key}"),
                Reservation::Held { record, is_released } => {
                    assert!(!is_released);
                    seen.push(record.fence.as_str().to_owned());
                }
                Reservation::Full { .. } => panic!("the ledger is full"),
            }
        }
        let winner = winner.expect("one gets it");
        assert!(seen.len() == 11 && seen.iter().all(|fence| *fence == winner));
    }
}

async fn a_row_comes_back_as_it_was_written_also_after_a_restart(place: &TestPlace) {
    let (store, one) = house(place).await;
    let mut open = record(&one, "key", "mine");
    take(&store, &open, LONG).await;
    let (made, free) = standing(&store, &one, "key").await;
    let apart = made.created_at.as_millisecond() - open.created_at.as_millisecond();
    assert!((0..5_000).contains(&apart), "by the clock of the database");
    let kept = made.expires_at.as_millisecond() - made.created_at.as_millisecond();
    assert!((kept - 24 * 3_600_000).abs() < 100, "{kept}");
    (open.created_at, open.expires_at) = (made.created_at, made.expires_at);
    assert_eq!((made, free), (open.clone(), false));
    for stage in Stage::ALL {
        let to = Advance { stage, sends: 2, sealed: Some(b"sealed \0\xff"), lease: Some(LONG) };
        assert!(store.idempotency.advance(&one, "key", "mine", &to).await.unwrap());
        (open.stage, open.sends, open.sealed) = (stage, 2, Some(b"sealed \0\xff".to_vec()));
        assert_eq!(standing(&store, &one, "key").await.0, open);
    }
    store.database.close().await;
    let store = place.open().await;
    assert_eq!(standing(&store, &one, "key").await, (open, false));
    let other = IdempotencyRecord { credential: None, ..record(&one, "other", "mine") };
    take(&store, &other, LONG).await;
    let made = standing(&store, &one, "other").await.0;
    let expected = IdempotencyRecord { created_at: made.created_at, expires_at: made.expires_at, ..other };
    assert_eq!(made, expected);
    let strange = record(&"ten_nobody".into(), "key", "mine");
    let failure = store.idempotency.reserve(&strange, LONG).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TenantNotFound);
}

async fn a_row_is_taken_over_once_and_only_when_it_was_let_go(place: &TestPlace) {
    let (store, one) = house(place).await;
    let other = place.open().await;
    let held = record(&one, "key", "first");
    take(&store, &held, LONG).await;
    let early = store.idempotency.take_over(&held, &"early".into(), LONG).await.unwrap();
    assert_eq!(early, None, "its lease lasts");
    assert!(store.idempotency.renew(&one, "key", "first", NONE).await.unwrap());
    assert!(standing(&store, &one, "key").await.1, "it was let go");
    let fences: Vec<Text> = (0..12).map(|n| Text::from(format!("fence {n}"))).collect();
    let asked = fences.iter().enumerate().map(|(n, fence)| {
        let store = if n % 2 == 0 { &store } else { &other };
        store.idempotency.take_over(&held, fence, LONG)
    });
    let taken: Vec<_> = join_all(asked).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(taken.len(), 1);
    assert_eq!(standing(&store, &one, "key").await, (taken[0].clone(), false));
    // Its fence is another now, whatever becomes of the lease.
    store.idempotency.end_leases().await.unwrap();
    assert_eq!(store.idempotency.take_over(&held, &"late".into(), LONG).await.unwrap(), None);
}

async fn who_takes_over_sees_what_was_written_last(place: &TestPlace) {
    let (store, one) = house(place).await;
    take(&store, &record(&one, "key", "first"), NONE).await;
    let (read, _) = standing(&store, &one, "key").await;
    let last = sending(Some(b"evidence"), None);
    assert!(store.idempotency.advance(&one, "key", "first", &last).await.unwrap());
    let taken = store.idempotency.take_over(&read, &"second".into(), LONG).await.unwrap().unwrap();
    assert_eq!((taken.stage, taken.sends, taken.sealed), (Stage::Sending, 1, Some(b"evidence".to_vec())));

    let done = Advance { stage: Stage::Done, sends: 1, sealed: Some(b"answer"), lease: None };
    assert!(store.idempotency.advance(&one, "key", "second", &done).await.unwrap());
    let (read, free) = standing(&store, &one, "key").await;
    assert!(free && read.stage == Stage::Done);
    let taken = store.idempotency.take_over(&read, &"third".into(), LONG).await.unwrap();
    assert_eq!(taken, None, "what was answered is nobody's to take");
}

async fn a_former_holder_can_change_nothing(place: &TestPlace) {
    let (store, one) = house(place).await;
    let held = record(&one, "key", "first");
    take(&store, &held, NONE).await;
    let taken = store.idempotency.take_over(&held, &"second".into(), LONG).await.unwrap().unwrap();
    let ledger = &store.idempotency;
    assert!(!ledger.renew(&one, "key", "first", NONE).await.unwrap());
    assert!(!ledger.advance(&one, "key", "first", &sending(Some(b"x"), None)).await.unwrap());
    assert!(!ledger.remove(&one, "key", "first").await.unwrap());
    assert_eq!(standing(&store, &one, "key").await, (taken, false));
    assert!(!ledger.renew(&"ten_two".into(), "key", "second", NONE).await.unwrap());
    assert!(ledger.remove(&one, "key", "second").await.unwrap());
}

async fn no_clock_ends_a_lease(place: &TestPlace) {
    let (store, one) = house(place).await;
    let expired = IdempotencyRecord {
        expires_at: Timestamp::from_millisecond(now().as_millisecond() - 60_000).unwrap(),
        ..record(&one, "key", "first")
    };
    take(&store, &expired, Duration::from_millis(1)).await;
    let locks = store.locks.clone();
    assert!(locks.lock(&words(&["a"]), "first", Duration::from_millis(1)).await.unwrap());
    place.statement("DROP VIEW clock; CREATE VIEW clock AS SELECT 4102444800000 AS now").await.unwrap();
    assert!(!standing(&store, &one, "key").await.1);
    assert_eq!(store.idempotency.take_over(&expired, &"second".into(), LONG).await.unwrap(), None);
    assert_eq!(store.idempotency.erase_expired(10).await, Ok(0));
    assert!(!locks.lock(&words(&["a"]), "second", LONG).await.unwrap());
    assert_eq!(store.idempotency.end_leases().await, Ok(1));
    assert_eq!(store.idempotency.end_leases().await, Ok(0));
    assert_eq!(store.idempotency.erase_expired(10).await, Ok(1));
}

async fn a_lease_is_ended_only_as_it_was_seen(place: &TestPlace) {
    let (store, one) = house(place).await;
    let ledger = &store.idempotency;
    let held = record(&one, "key", "first");
    take(&store, &held, LONG).await;
    take(&store, &record(&one, "let go", "other"), NONE).await;
    let seen = ledger.held(10).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert!(ledger.renew(&one, "key", "first", LONG * 2).await.unwrap());
    assert_eq!(ledger.end_lease(&seen[0]).await, Ok(false), "renewed meanwhile");
    let seen = ledger.held(10).await.unwrap();
    assert_eq!(ledger.end_lease(&seen[0]).await, Ok(true));
    assert!(standing(&store, &one, "key").await.1);
    assert!(ledger.renew(&one, "key", "first", LONG).await.unwrap(), "nobody took it meanwhile");
    assert!(!standing(&store, &one, "key").await.1);
    assert!(ledger.postpone(&one, "key", "first", LONG).await.unwrap());
    assert!(ledger.take_over(&held, &"second".into(), LONG).await.unwrap().is_some());
    let done = Advance { stage: Stage::Done, sends: 1, sealed: Some(b"answer"), lease: None };
    assert!(ledger.advance(&one, "key", "second", &done).await.unwrap());
    assert_eq!(ledger.held(10).await, Ok(Vec::new()));
}

async fn a_released_key_is_free(place: &TestPlace) {
    let (store, one) = house(place).await;
    take(&store, &record(&one, "key", "first"), LONG).await;
    assert!(store.idempotency.remove(&one, "key", "first").await.unwrap());
    assert!(!store.idempotency.remove(&one, "key", "first").await.unwrap());
    take(&store, &record(&one, "key", "second"), LONG).await;
}

async fn open_creates_are_found_when_nobody_holds_them(place: &TestPlace) {
    let (store, one) = house(place).await;
    for (key, stage, sealed, lease) in [
        ("sending", Stage::Sending, true, None),
        ("unknown", Stage::Unknown, true, None),
        ("held", Stage::Unknown, true, Some(LONG)),
        ("without evidence", Stage::Sending, false, None),
        ("reserved", Stage::Reserved, false, None),
        ("found", Stage::Found, true, None),
        ("absent", Stage::Absent, false, None),
        ("ambiguous", Stage::Ambiguous, true, None),
        ("done", Stage::Done, true, None),
    ] {
        take(&store, &record(&one, key, key), LONG).await;
        let to = Advance { stage, sends: 1, sealed: sealed.then_some(b"evidence"), lease };
        assert!(store.idempotency.advance(&one, key, key, &to).await.unwrap());
        // Told apart by the millisecond in which they were let go.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let open = async |limit| {
        let open = store.idempotency.unsettled(limit).await.unwrap();
        open.into_iter().map(|record| record.key.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(open(10).await, ["sending", "unknown"]);
    assert_eq!(open(1).await, ["sending"]);
    assert!(store.idempotency.postpone(&one, "sending", "sending", NONE).await.unwrap());
    assert_eq!(open(10).await, ["unknown", "sending"], "whoever was looked at goes to the end");
    assert!(store.idempotency.postpone(&one, "unknown", "unknown", LONG).await.unwrap());
    assert_eq!(open(10).await, ["sending"], "not before its time");
    assert!(!store.idempotency.postpone(&one, "sending", "another", NONE).await.unwrap());
}

async fn open_creates_come_of_each_tenant_and_credential_in_turn(place: &TestPlace) {
    let (store, one) = house(place).await;
    let two = tenant("two");
    store.tenants.insert(&two).await.unwrap();
    let rows = [
        (&one, "cred_1", "a"),
        (&one, "cred_1", "b"),
        (&one, "cred_1", "c"),
        (&one, "cred_2", "d"),
        (&two.id, "cred_3", "x"),
        (&two.id, "cred_3", "y"),
    ];
    for (tenant, credential, key) in rows {
        take(
            &store,
            &IdempotencyRecord { credential: Some(credential.into()), ..record(tenant, key, key) },
            LONG,
        )
        .await;
        let lost = sending(Some(b"evidence"), None);
        assert!(store.idempotency.advance(tenant, key, key, &lost).await.unwrap());
    }
    let open = store.idempotency.unsettled(5).await.unwrap();
    let keys: Vec<&str> = open.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(keys, ["a", "x", "d", "y", "b"]);
    assert!(open.iter().all(|record| record.sealed.is_none()), "what is sealed is read by who takes it over");
}

async fn an_expired_row_gives_way_and_is_erased_unless_somebody_holds_it(place: &TestPlace) {
    let (store, one) = house(place).await;
    let expired = |key: &str, fence: &str| IdempotencyRecord {
        expires_at: Timestamp::from_millisecond(now().as_millisecond() - 60_000).unwrap(),
        sealed: Some(b"answer".to_vec()),
        ..record(&one, key, fence)
    };
    take(&store, &expired("key", "first"), LONG).await;
    assert!(!standing(&store, &one, "key").await.1, "somebody holds it");
    assert_eq!(store.idempotency.erase_expired(10).await, Ok(0));
    assert!(store.idempotency.renew(&one, "key", "first", NONE).await.unwrap());
    let mut second = record(&one, "key", "second");
    take(&store, &second, NONE).await;
    let (made, free) = standing(&store, &one, "key").await;
    (second.created_at, second.expires_at) = (made.created_at, made.expires_at);
    assert_eq!((made, free), (second, true), "nothing of the former row is left");
    assert!(!store.idempotency.renew(&one, "key", "first", LONG).await.unwrap());

    for n in 0..5 {
        take(&store, &expired(&format!("old {n}"), "first"), NONE).await;
    }
    for erased in [2, 2, 1, 0] {
        assert_eq!(store.idempotency.erase_expired(2).await, Ok(erased));
    }
    assert_eq!(standing(&store, &one, "key").await.0.fence, "second", "it has not expired");
    take(&store, &record(&one, "old 0", "second"), LONG).await;
}

async fn a_removed_tenant_takes_its_rows_along(place: &TestPlace) {
    let (store, one) = house(place).await;
    take(&store, &record(&one, "key", "first"), LONG).await;
    assert!(store.tenants.delete(&one).await.unwrap());
    assert!(!store.idempotency.renew(&one, "key", "first", LONG).await.unwrap());
    store.tenants.insert(&tenant("one")).await.unwrap();
    take(&store, &record(&one, "key", "second"), LONG).await;
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

async fn locks_are_taken_all_or_none(place: &TestPlace) {
    let locks = place.open().await.locks;
    assert!(locks.lock(&words(&["b", "a", "b"]), "first", LONG).await.unwrap());
    assert!(!locks.lock(&words(&["0", "b", "c"]), "second", LONG).await.unwrap());
    assert!(locks.lock(&words(&["0", "c"]), "third", LONG).await.unwrap(), "the second took none");
    assert_eq!(locks.keep("second", LONG).await, Ok(0));
    assert_eq!(locks.keep("first", LONG).await, Ok(2));
    locks.unlock("second").await.unwrap();
    assert!(!locks.lock(&words(&["a"]), "second", LONG).await.unwrap());
    locks.unlock("first").await.unwrap();
    assert!(locks.lock(&words(&["a", "b"]), "second", LONG).await.unwrap());

    let many: Vec<String> = (10..40).map(|n| n.to_string()).collect();
    assert!(locks.lock(&many[20..21], "first", LONG).await.unwrap());
    assert!(!locks.lock(&many, "third", LONG).await.unwrap());
    assert!(locks.lock(&many[..20], "fourth", LONG).await.unwrap(), "the third took none");
    assert!(!locks.lock(&many[19..20], "third", LONG).await.unwrap());
}

async fn of_many_who_want_the_same_locks_one_gets_them(place: &TestPlace) {
    let (one, other) = (place.open().await.locks, place.open().await.locks);
    let lists: Vec<_> =
        (0..12).map(|n| words(if n % 3 == 0 { &["x", "y", "z"] } else { &["z", "x"] })).collect();
    for round in 0..5 {
        let fences: Vec<_> = (0..12).map(|n| format!("{round} {n}")).collect();
        let asked = fences.iter().zip(&lists).enumerate().map(|(n, (fence, words))| {
            let locks = if n % 2 == 0 { &one } else { &other };
            locks.lock(words, fence, LONG)
        });
        let taken = join_all(asked).await.into_iter().filter(|taken| taken == &Ok(true)).count();
        assert_eq!(taken, 1);
        for fence in &fences {
            one.unlock(fence).await.unwrap();
        }
    }
}

/// PostgreSQL sees a lock that another transaction takes only when that is committed, which is after the search for held ones.
#[tokio::test]
async fn who_gets_a_part_of_its_locks_gives_it_back() {
    let Some(server) = Server::shared() else { return };
    let place = TestPlace::postgres(server).await;
    let locks = place.open().await.locks;
    let other = place.statement(
        "DO $$ BEGIN INSERT INTO write_locks VALUES ('z', 'first', 1); PERFORM pg_sleep(1); END $$",
    );
    let late = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = crate::clock::monotonic();
        let taken = locks.lock(&words(&["y", "z"]), "second", LONG).await;
        (taken, began.elapsed())
    };
    let (stored, (taken, waited)) = tokio::join!(other, late);
    assert_eq!((stored, taken), (Ok(()), Ok(false)));
    assert!(waited > Duration::from_millis(300), "it saw the lock before it was committed");
    assert!(locks.lock(&words(&["y"]), "third", LONG).await.unwrap(), "the second kept a lock");
}

async fn a_lock_is_ended_only_as_it_was_seen(place: &TestPlace) {
    let locks = place.open().await.locks;
    assert!(locks.lock(&words(&["a", "b"]), "first", NONE).await.unwrap());
    let seen = locks.held(10).await.unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(locks.keep("first", LONG).await, Ok(2));
    assert_eq!(locks.end_lease(&seen[0]).await, Ok(false), "renewed meanwhile");
    assert!(!locks.lock(&words(&["a"]), "second", LONG).await.unwrap());
    for seen in locks.held(1).await.unwrap() {
        assert_eq!(locks.end_lease(&seen).await, Ok(true));
        assert!(locks.lock(&[seen.name.as_str().to_owned()], "second", LONG).await.unwrap());
    }
    assert_eq!(locks.keep("first", LONG).await, Ok(1), "of two one is left");
}
