//! What a SQLite file promises beyond the suite: its rights, its durability, and a sentence for every obstacle.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Connection, Row, SqliteConnection};

use super::{TestPlace, credential, key, tenant};
use crate::config::Quotas;
use crate::domain::{FailureKind, KeyId};
use crate::store::sql::{Sql, SqlConnections};
use crate::store::{Advance, Location, Reservation, Stage, Store, sqlite};

#[tokio::test]
async fn a_removed_tenant_leaves_no_key_and_no_byte_of_a_secret() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    store.keys.insert(&key("key_1", &one.id)).await.unwrap();
    let mut sealed = credential("cred_1", &one.id);
    sealed.secret = b"canary of a sealed secret".to_vec();
    store.credentials.insert(&sealed).await.unwrap();
    assert!(store.tenants.delete(&one.id).await.unwrap());
    assert!(!store.tenants.delete(&one.id).await.unwrap());
    assert!(store.keys.get(&KeyId::from("key_1")).await.unwrap().is_none());
    assert!(store.credentials.get(&one.id, &sealed.id).await.unwrap().is_none());
    for file in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(sealed.secret.len()).any(|part| part == sealed.secret));
    }
}

#[tokio::test]
async fn the_file_is_durable_private_and_made_with_its_folder() {
    let place = TestPlace::sqlite();
    let path = place.path().parent().unwrap().join("data/gateway.db");
    let file = sqlite::open(&path).await.unwrap();
    let pragmas = [
        ("PRAGMA synchronous", 2),
        ("PRAGMA foreign_keys", 1),
        ("PRAGMA secure_delete", 1),
        ("PRAGMA busy_timeout", 5000),
    ];
    for (name, value) in pragmas {
        assert_eq!(number(&file.pool, name).await, value, "{name} of a reader");
        assert_eq!(of_writer(&file, name).await.get::<i64, _>(0), value, "{name} of the writer");
    }
    assert_eq!(of_writer(&file, "PRAGMA journal_mode").await.get::<&str, _>(0), "wal");
    #[cfg(unix)]
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }
}

#[tokio::test]
async fn every_obstacle_is_a_sentence_that_says_what_to_do() {
    let place = TestPlace::sqlite();
    std::fs::write(place.path(), "this is a letter and no database".repeat(40)).unwrap();
    assert!(place.refused().await.contains("is not a SQLite database"));

    let deep =
        Location::parse(&format!("sqlite://{}/a/b/gateway.db", place.path().parent().unwrap().display()))
            .unwrap();
    assert!(Store::open(&deep).await.err().unwrap().to_string().contains("cannot be created"));

    let folder = TestPlace::sqlite();
    std::fs::create_dir(folder.path()).unwrap();
    assert!(folder.refused().await.contains("cannot be opened for writing"));
}

#[tokio::test]
async fn a_newer_schema_and_a_strange_database_are_left_alone() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    store.database.close().await;
    place.statement("PRAGMA user_version = 99").await.unwrap();
    assert_eq!(place.open().await.database.schema().await, Ok(99), "it only added, so it can be used");
    place.statement("UPDATE schema_use SET usable_by = 99").await.unwrap();
    assert!(place.refused().await.contains("newer version"));

    let strange = TestPlace::sqlite();
    strange.open().await.database.close().await;
    strange.statement("PRAGMA application_id = 5").await.unwrap();
    assert!(strange.refused().await.contains("another program"));
}

#[tokio::test]
async fn a_file_locked_by_another_program_is_a_sentence() {
    let place = TestPlace::sqlite();
    place.open().await;
    let mut holder = SqliteConnection::connect(&place.path().display().to_string()).await.unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut holder).await.unwrap();
    assert!(place.refused().await.contains("is locked"));
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_loses_nothing() {
    let place = TestPlace::sqlite();
    let file = sqlite::open(&place.path()).await.unwrap();
    of_writer(&file, "PRAGMA max_page_count = 1").await;
    let store = Store::of(Arc::new(Sql::new(SqlConnections::Sqlite(file), Quotas::default())));
    let mut kept = 0;
    let failure = loop {
        match store.tenants.insert(&tenant(&format!("{kept} {}", "long ".repeat(500)))).await {
            Ok(()) => kept += 1,
            Err(failure) => break failure,
        }
        assert!(kept < 100, "it must be full at some time");
    };
    assert_eq!(failure.kind, FailureKind::StoreUnavailable);
    assert!(
        store.database.is_full() && store.database.probe().await.is_ok(),
        "a row that is removed again finds room"
    );
    assert_eq!(store.tenants.list(None, 1000).await.unwrap().len(), kept);
    on_writer(&store, "PRAGMA max_page_count = 100000").await;
    store.tenants.insert(&tenant("room again")).await.unwrap();
}

#[tokio::test]
async fn an_erased_request_is_in_no_file_after_the_next_round_of_expiry() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    let request = b"canary of a sealed request, which is longer than a word".repeat(200);
    let row = super::ledger::record(&one.id, "key", "mine");
    let reserved = store.idempotency.reserve(&row, Duration::ZERO).await.unwrap();
    assert!(matches!(reserved, Reservation::Ours));
    let ledger = &store.idempotency;
    let sending = Advance { stage: Stage::Sending, sends: 1, sealed: Some(&request), lease: None };
    assert!(ledger.advance(&one.id, "key", "mine", &sending).await.unwrap());
    assert!(in_files(&place, b"canary of a sealed request"));
    let found = Advance { stage: Stage::Found, sends: 1, sealed: None, lease: None };
    assert!(ledger.advance(&one.id, "key", "mine", &found).await.unwrap());
    assert_eq!(ledger.erase_expired(10).await, Ok(0));
    assert!(!in_files(&place, b"canary of a sealed request"));
}

fn in_files(place: &TestPlace, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(place.path().parent().unwrap()).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .any(|file| file.windows(bytes.len()).any(|part| part == bytes))
}

#[tokio::test]
async fn a_process_knows_that_it_is_alone_and_only_then() {
    let place = TestPlace::sqlite();
    let (one, other) = (place.open().await, place.open().await);
    let first = one.enter().await.unwrap().unwrap();
    assert!(first.is_alone());
    let second = other.enter().await.unwrap().unwrap();
    assert!(!second.is_alone(), "the first is about to serve");
    let mut waiting = std::pin::pin!(second.stay());
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err());
    let first = first.stay().await.unwrap();
    let second = waiting.await.unwrap();
    drop(first);
    assert!(!one.enter().await.unwrap().unwrap().is_alone(), "the second serves");
    drop(second);
    assert!(one.enter().await.unwrap().unwrap().is_alone());
}

/// Runs a pragma on the connection that writes.
pub(super) async fn on_writer(store: &Store, sql: &'static str) {
    let SqlConnections::Sqlite(file) = store.database.0.connections() else { unreachable!() };
    of_writer(file, sql).await;
}

/// What a statement returns on the connection that writes.
async fn of_writer(file: &sqlite::Sqlite, sql: &'static str) -> SqliteRow {
    file.writer.write(vec![(sql, SqliteArguments::default())], false).await.unwrap().rows.remove(0)
}

async fn number(pool: &sqlx::SqlitePool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn freed_room_is_given_back_also_by_a_file_of_an_earlier_version() {
    let place = TestPlace::sqlite();
    place.open().await.database.close().await;
    place.statement("PRAGMA auto_vacuum = NONE; VACUUM").await.unwrap();
    let file = sqlite::open(&place.path()).await.unwrap();
    assert_eq!(number(&file.pool, "PRAGMA auto_vacuum").await, 2, "it was converted");
    let pool = file.pool.clone();
    let store = Store::of(Arc::new(Sql::new(SqlConnections::Sqlite(file), Quotas::default())));
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    let response = vec![7; 500_000];
    for n in 0..20 {
        let key = format!("key {n}");
        let row = super::ledger::record(&one.id, &key, "mine");
        assert!(matches!(store.idempotency.reserve(&row, Duration::ZERO).await.unwrap(), Reservation::Ours));
        let done = Advance { stage: Stage::Done, sends: 1, sealed: Some(&response), lease: None };
        assert!(store.idempotency.advance(&one.id, &key, "mine", &done).await.unwrap());
    }
    let pages = number(&pool, "PRAGMA page_count").await;
    assert!(pages > 2_400, "{pages}");
    assert!(store.tenants.delete(&one.id).await.unwrap());
    assert_eq!(number(&pool, "PRAGMA page_count").await, pages);
    store.database.shrink().await.unwrap();
    let left = number(&pool, "PRAGMA page_count").await;
    assert!(left < 100, "{left} of {pages}");
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await.unwrap();
    assert!(std::fs::metadata(place.path()).unwrap().len() < 500_000);
}

#[tokio::test]
async fn a_database_that_is_removed_or_replaced_takes_no_write_until_it_is_back() {
    for suffix in ["", "-wal", "-shm"] {
        for replaced in [false, true] {
            let place = TestPlace::sqlite();
            let store = place.open().await;
            let one = tenant("one");
            store.tenants.insert(&one).await.unwrap();
            let path = std::path::PathBuf::from(format!("{}{suffix}", place.path().display()));
            let aside = path.with_extension("aside");
            std::fs::rename(&path, &aside).unwrap();
            if replaced {
                std::fs::copy(&aside, &path).unwrap();
            }
            let refused = [
                store.tenants.insert(&tenant("two")).await,
                store.keys.insert(&key("key_1", &one.id)).await,
                store.credentials.insert(&credential("cred_1", &one.id)).await,
                store.tenants.delete(&one.id).await.map(|_| ()),
                store.audit.append(&super::audit("aud_1", None, 1)).await,
                store.locks.lock(&["a".into()], "f", Duration::ZERO).await.map(|_| ()),
                store
                    .idempotency
                    .reserve(&super::ledger::record(&one.id, "key", "mine"), Duration::ZERO)
                    .await
                    .map(|_| ()),
                store.database.ready().await,
            ];
            for (place, refused) in refused.into_iter().enumerate() {
                let kind = refused.err().map(|failure| failure.kind);
                assert_eq!(kind, Some(FailureKind::StoreUnavailable), "{place} {suffix} {replaced}");
            }
            assert!(store.idempotency.is_lost());
            std::fs::rename(&aside, &path).unwrap();
            store.tenants.insert(&tenant("two")).await.unwrap();
            assert!(store.database.ready().await.is_ok() && !store.idempotency.is_lost());
        }
    }
}

#[tokio::test]
async fn connections_that_come_and_go_are_not_taken_for_a_lost_file() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    for n in 0..3 {
        let other = place.open().await;
        other.tenants.insert(&tenant(&format!("{n}"))).await.unwrap();
        other.database.close().await;
        place.statement("PRAGMA wal_checkpoint(TRUNCATE); VACUUM").await.unwrap();
        store.tenants.insert(&tenant(&format!("{n} again"))).await.unwrap();
    }
    assert!(store.database.ready().await.is_ok());
    store.database.close().await;
    assert!(!place.path().with_extension("db-wal").exists(), "the last one to close leaves one file");
}
