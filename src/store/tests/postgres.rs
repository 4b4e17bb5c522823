//! What PostgreSQL promises beyond the suite: a sentence for every obstacle, and an end to every trouble.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use sqlx::{Connection, PgConnection};

use super::server::{PASSWORD, Server};
use super::{TestPlace, audit, tenant};
use crate::config::Quotas;
use crate::domain::FailureKind;
use crate::store::postgres::{self, PostgresPool};
use crate::store::sql::{Sql, SqlConnections};
use crate::store::{Location, Store};

async fn place() -> Option<TestPlace> {
    Some(TestPlace::postgres(Server::shared()?).await)
}

async fn pool(place: &TestPlace) -> PostgresPool {
    let Location::Postgres(url) = &place.location else { unreachable!() };
    postgres::open(url).await.unwrap()
}

#[tokio::test]
async fn every_obstacle_is_a_sentence_without_the_password() {
    let Some(server) = Server::shared() else { return };
    let good = server.url("nowhere");
    let wrong_host = format!("postgres://gateway:{PASSWORD}@127.0.0.1:1/d");
    let wrong_password = server.url("postgres").replace(PASSWORD, "canary-of-another-password");
    let no_tls = format!("{}?sslmode=require", server.url("postgres"));
    for (url, says) in [
        (good, "CREATE DATABASE"),
        (wrong_host, "cannot be reached"),
        (wrong_password, "rejects this user or password"),
        (no_tls, "sslmode"),
    ] {
        let location = Location::parse(&url).unwrap();
        let started = crate::clock::monotonic();
        let said = Store::open(&location).await.err().unwrap().to_string();
        assert!(said.contains(says) && !said.contains("canary"), "{said}");
        assert!(!format!("{location:?}").contains("canary"));
        assert!(started.elapsed() < Duration::from_secs(7));
    }
}

#[tokio::test]
async fn a_newer_schema_and_a_strange_database_are_left_alone() {
    let Some(place) = place().await else { return };
    place.open().await.database.close().await;
    place.statement("UPDATE schema_use SET version = 99").await.unwrap();
    assert_eq!(place.open().await.database.schema().await, Ok(99), "it only added, so it can be used");
    place.statement("UPDATE schema_use SET usable_by = 99").await.unwrap();
    assert!(place.refused().await.contains("newer version"));

    let Some(strange) = self::place().await else { return };
    strange.statement("CREATE TABLE letters (text TEXT)").await.unwrap();
    assert!(strange.refused().await.contains("another program"));
    let inspected = Store::inspect(&strange.location, 1).await.err().unwrap();
    assert!(inspected.to_string().contains("another program"), "{inspected}");
}

#[tokio::test]
async fn nobody_is_taken_to_be_alone() {
    let Some(place) = place().await else { return };
    assert!(place.open().await.enter().await.unwrap().is_none(), "any machine may serve beside");
}

#[tokio::test]
async fn a_migration_waits_for_that_of_another_process() {
    let Some(place) = place().await else { return };
    let Location::Postgres(url) = &place.location else { unreachable!() };
    let mut other = PgConnection::connect_with(url.options()).await.unwrap();
    let mut holder = other.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(0x6367_7731_i64)
        .execute(&mut *holder)
        .await
        .unwrap();
    let mut opened = std::pin::pin!(Store::open(&place.location));
    assert!(tokio::time::timeout(Duration::from_secs(1), &mut opened).await.is_err());
    holder.rollback().await.unwrap();
    assert!(opened.await.is_ok());
}

#[tokio::test]
async fn a_column_of_a_newer_version_breaks_no_statement_of_a_running_one() {
    let Some(place) = place().await else { return };
    let store = place.open().await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    let keys = || store.keys.list(&one.id, None, 10);
    let credentials = || store.credentials.list(&one.id, None, 10);
    assert!(keys().await.unwrap().is_empty() && credentials().await.unwrap().is_empty());
    place.statement("ALTER TABLE api_keys ADD x TEXT; ALTER TABLE credentials ADD x TEXT").await.unwrap();
    assert!(keys().await.is_ok() && credentials().await.is_ok());
}

#[tokio::test]
async fn a_stopped_server_is_told_in_time_and_its_return_is_seen() {
    let Some(server) = Server::start() else { return };
    let place = TestPlace::postgres(&server).await;
    let store = place.open().await;
    let one = tenant("one");
    store.tenants.insert(&one).await.unwrap();
    server.stop();
    let started = crate::clock::monotonic();
    let failure = store.tenants.get(&one.id).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::StoreUnavailable);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    server.start_again();
    let started = crate::clock::monotonic();
    while store.tenants.get(&one.id).await != Ok(Some(one.clone())) {
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn connections_that_the_server_ended_are_handed_to_nobody() {
    let Some(place) = place().await else { return };
    let store = place.open().await;
    let all = || futures_util::future::join_all((0..8).map(|_| store.database.ready()));
    assert!(all().await.into_iter().all(|ready| ready.is_ok()));
    for _ in 0..3 {
        place
            .statement(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
        assert!(all().await.into_iter().all(|ready| ready.is_ok()));
    }
}

#[tokio::test]
async fn a_statement_that_was_given_up_leaves_its_connection_to_nobody() {
    let Some(place) = place().await else { return };
    let pool = pool(&place).await;
    let store = Store::of(Arc::new(Sql::new(SqlConnections::Postgres(pool.clone()), Quotas::default())));
    let Location::Postgres(url) = &place.location else { unreachable!() };
    let mut other = PgConnection::connect_with(url.options()).await.unwrap();
    let mut holder = other.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE tenants, audit").execute(&mut *holder).await.unwrap();
    let records = [audit("aud_1", None, 1), audit("aud_2", None, 2)];
    let soon = Duration::from_millis(200);
    assert!(tokio::time::timeout(soon, store.tenants.find("x")).await.is_err());
    assert!(tokio::time::timeout(soon, store.audit.append_many(&records)).await.is_err());
    assert_eq!(pool.pool.size(), 0, "both are closed");

    let started = crate::clock::monotonic();
    assert_eq!(store.tenants.find("x").await.unwrap_err().reason, Some("database locked"));
    assert!(started.elapsed() < Duration::from_secs(6));
    holder.rollback().await.unwrap();
    assert_eq!(store.tenants.find("x").await, Ok(None));
    store.audit.append_many(&records).await.unwrap();
}

/// The pool itself only says that its time is over.
#[tokio::test]
async fn why_there_is_no_connection_is_found_out_now_and_then() {
    let Some(server) = Server::start() else { return };
    let place = TestPlace::postgres(&server).await;
    let pool = pool(&place).await;
    server.stop();
    let refused = pool.why_none().await;
    assert!(refused.to_string().contains("refused"), "{refused}");
    assert!(matches!(pool.why_none().await, sqlx::Error::PoolTimedOut), "it asks seldom");
}

/// Two gateways whose statements share the two connections of a pooler.
async fn two_through_a_pooler() -> Option<(TestPlace, [Store; 2])> {
    let place = TestPlace::pooled(Server::shared()?).await?;
    let stores = [place.open().await, place.open().await];
    Some((place, stores))
}

#[tokio::test]
async fn two_gateways_through_a_pooler_read_each_its_own_rows_and_no_others() {
    let Some((_place, stores)) = two_through_a_pooler().await else { return };
    let writes = (0..200_usize).map(|number| {
        let store = &stores[number % 2];
        async move {
            let one = tenant(&number.to_string());
            store.tenants.insert(&one).await.unwrap();
            assert_eq!(store.tenants.get(&one.id).await.unwrap(), Some(one.clone()));
            assert!(store.credentials.list(&one.id, None, 10).await.unwrap().is_empty());
            assert_eq!(
                store.tenants.find(&one.name).await.unwrap().map(|found| found.id),
                Some(one.id.clone())
            );
            store.audit.append_many(&[audit(&format!("aud_{number}"), Some(&one.id), 1)]).await.unwrap();
            one
        }
    });
    // More at the same time would wait for the two connections longer than they may, on a busy machine.
    let made: Vec<_> = stream::iter(writes).buffer_unordered(20).collect().await;
    let seen = stores[0].tenants.list(None, 1000).await.unwrap();
    assert_eq!(seen.len(), made.len());
}

#[tokio::test]
async fn a_pooler_is_known_whether_it_refuses_settings_or_drops_them() {
    let Some(server) = Server::shared() else { return };
    let TestPlace { location: Location::Postgres(direct), .. } = TestPlace::postgres(server).await else {
        unreachable!()
    };
    let Some(urls) = server.pooled_urls(direct.options().get_database().unwrap()) else { return };
    assert!(!postgres::open(&direct).await.unwrap().is_shared);
    for url in urls {
        let Location::Postgres(pooled) = Location::parse(&url).unwrap() else { unreachable!() };
        assert!(postgres::open(&pooled).await.unwrap().is_shared);
        let with_option = Location::parse(&format!("{url}?options[work_mem]=1MB")).unwrap();
        if let Err(refused) = Store::open(&with_option).await {
            let said = refused.to_string();
            assert!(said.contains("ALTER ROLE") && !said.contains("canary"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_lock_through_a_pooler_has_one_holder() {
    let Some((_place, stores)) = two_through_a_pooler().await else { return };
    for round in 0..20 {
        let words = [format!("word {round}"), "another".to_owned()];
        let tries = (0..10_usize).map(|number| {
            let (store, words) = (&stores[number % 2], &words);
            async move {
                store.locks.lock(words, &format!("fence {number}"), Duration::from_secs(30)).await.unwrap()
            }
        });
        let held = futures_util::future::join_all(tries).await;
        assert_eq!(held.iter().filter(|held| **held).count(), 1, "{held:?}");
        for number in 0..10 {
            stores[0].locks.unlock(&format!("fence {number}")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_statement_through_a_pooler_has_an_end_and_leaves_no_setting_to_others() {
    let Some((place, [store, _])) = two_through_a_pooler().await else { return };
    let Location::Postgres(url) = &place.location else { unreachable!() };
    let mut other = PgConnection::connect_with(url.options()).await.unwrap();
    store.database.ready().await.unwrap();
    let left: Vec<String> = {
        let mut left = Vec::new();
        for _ in 0..4 {
            let row = sqlx::raw_sql("SHOW statement_timeout").fetch_one(&mut other).await.unwrap();
            left.push(sqlx::Row::get(&row, 0));
        }
        left
    };
    assert!(left.iter().all(|setting| setting == "0"), "{left:?}");
    let mut holder = other.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE tenants").execute(&mut *holder).await.unwrap();
    let started = crate::clock::monotonic();
    let failure = store.tenants.list(None, 10).await.unwrap_err();
    assert_eq!((failure.kind, failure.reason), (FailureKind::StoreUnavailable, Some("database locked")));
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    holder.rollback().await.unwrap();
    assert!(store.tenants.list(None, 10).await.unwrap().is_empty());
}
