//! Writes to a SQLite file that wait at the same time: they share a commit, and nothing else.

use std::time::Duration;

use sqlx::{Connection, SqliteConnection};

use super::{TestPlace, credential, tenant};
use crate::domain::{FailureKind, Result};
use crate::store::{Reservation, Store};

/// Another program that writes. Until it ends, every write waits.
struct OtherProgram(SqliteConnection);

impl OtherProgram {
    async fn in_the_way(place: &TestPlace) -> Self {
        let mut connection = SqliteConnection::connect(&place.path().display().to_string()).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        Self(connection)
    }

    /// Ends after everything that was started before has begun to wait.
    async fn give_way(mut self) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

/// The number of commits in the write-ahead log: the pages that end one carry the size of the database.
fn commits(place: &TestPlace) -> usize {
    const HEADER: usize = 32;
    const PAGE: usize = 24 + 4096;
    let log = std::fs::read(format!("{}-wal", place.path().display())).unwrap();
    log[HEADER..].chunks_exact(PAGE).filter(|page| page[4..8] != [0; 4]).count()
}

/// Empties the log, and leaves a file in its place that is read from the start.
async fn begin_log(place: &TestPlace) {
    place.statement("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
}

fn kind<T>(outcome: Result<T>) -> Option<FailureKind> {
    outcome.err().map(|failure| failure.kind)
}

#[tokio::test]
async fn writes_that_wait_together_are_committed_together() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    begin_log(&place).await;
    let other = OtherProgram::in_the_way(&place).await;
    let writes = (0..32).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.tenants.insert(&tenant(&format!("tenant {n}"))).await })
    });
    let writes: Vec<_> = writes.collect();
    other.give_way().await;
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(store.tenants.list(None, 100).await.unwrap().len(), 32);
    // The first one may have waited alone.
    let commits = commits(&place);
    assert!((1..=2).contains(&commits), "{commits}");
}

#[tokio::test]
async fn a_write_fails_if_its_file_is_lost_while_it_waits() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    let other = OtherProgram::in_the_way(&place).await;
    let write = tokio::spawn(async move { store.tenants.insert(&tenant("one")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    std::fs::rename(place.path(), place.path().with_extension("aside")).unwrap();
    other.give_way().await;
    assert_eq!(kind(write.await.unwrap()), Some(FailureKind::StoreUnavailable));
}

#[tokio::test]
async fn a_write_that_fails_leaves_its_neighbours_alone() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    let (known, strange) = (tenant("known"), tenant("strange"));
    store.tenants.insert(&known).await.unwrap();
    assert!(store.locks.lock(&["held".into()], "first", Duration::ZERO).await.unwrap());
    let other = OtherProgram::in_the_way(&place).await;
    let row = |tenant, key| super::ledger::record(tenant, key, "mine");
    let (first, second, same_name) = (tenant("first"), tenant("second"), tenant("known"));
    let (row_of_known, row_of_strange) = (row(&known.id, "key"), row(&strange.id, "key"));
    let credential = credential("cred_1", &strange.id);
    let (some, free, most) = (["a".into(), "held".into()], ["a".into(), "b".into()], ["c".into()]);
    let writes = async {
        tokio::join!(
            store.tenants.insert(&first),
            store.tenants.insert(&same_name),
            store.credentials.insert(&credential),
            store.locks.lock(&some, "second", Duration::ZERO),
            store.idempotency.reserve(&row_of_strange, Duration::ZERO),
            store.locks.lock(&free, "third", Duration::ZERO),
            store.locks.lock(&most, "fourth", Duration::ZERO),
            store.idempotency.reserve(&row_of_known, Duration::ZERO),
            store.tenants.insert(&second),
        )
    };
    let (one, taken, orphan, half, strange, both, single, row, two) =
        tokio::join!(writes, other.give_way()).0;
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(kind(taken), Some(FailureKind::NameTaken));
    assert_eq!(kind(orphan), Some(FailureKind::TenantNotFound));
    assert_eq!(kind(strange), Some(FailureKind::TenantNotFound));
    assert_eq!(half, Ok(false), "one of the locks is held");
    assert_eq!((both, single), (Ok(true), Ok(true)), "the other lock of the failed attempt is free again");
    assert!(matches!(row, Ok(Reservation::Ours)));
}

#[tokio::test]
async fn where_all_of_them_find_no_room_the_small_ones_are_tried_alone() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    super::sqlite::on_writer(&store, "PRAGMA max_page_count = 1").await;
    let (large, small) = (tenant(&"long ".repeat(20_000)), tenant("small"));
    let first = tenant("first");
    let other = OtherProgram::in_the_way(&place).await;
    let writes = async {
        tokio::join!(store.tenants.insert(&first), store.tenants.insert(&large), store.tenants.insert(&small))
    };
    let (first, large, small) = tokio::join!(writes, other.give_way()).0;
    assert_eq!((first, small), (Ok(()), Ok(())));
    assert_eq!(kind(large), Some(FailureKind::StoreUnavailable));
    assert!(Store::open(&place.location).await.unwrap().tenants.list(None, 10).await.unwrap().len() == 2);
}

#[tokio::test]
async fn a_file_that_stays_locked_fails_all_of_them_and_none_is_done_later() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    let mut other = OtherProgram::in_the_way(&place).await;
    let began = crate::clock::monotonic();
    let names: Vec<_> = (0..5).map(|n| tenant(&format!("tenant {n}"))).collect();
    let outcomes = futures_util::future::join_all(names.iter().map(|one| store.tenants.insert(one))).await;
    assert!(outcomes.into_iter().all(|outcome| kind(outcome) == Some(FailureKind::StoreUnavailable)));
    // The first waits alone, the others together.
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    sqlx::raw_sql("ROLLBACK").execute(&mut other.0).await.unwrap();
    assert!(store.tenants.list(None, 10).await.unwrap().is_empty());
    store.tenants.insert(&names[0]).await.unwrap();
}

#[tokio::test]
async fn a_write_whose_caller_is_gone_is_done_and_one_after_the_end_is_refused() {
    let place = TestPlace::sqlite();
    let store = place.open().await;
    let other = OtherProgram::in_the_way(&place).await;
    let gone = tokio::time::timeout(Duration::from_millis(50), store.tenants.insert(&tenant("gone"))).await;
    assert!(gone.is_err());
    other.give_way().await;
    store.database.close().await;
    assert_eq!(kind(store.tenants.insert(&tenant("late")).await), Some(FailureKind::StoreUnavailable));
    assert_eq!(place.open().await.tenants.list(None, 10).await.unwrap().len(), 1);
}
