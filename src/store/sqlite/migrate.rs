//! Brings the schema of a SQLite file up to date, one process at a time.

use sqlx::{Connection, SqliteConnection};

use super::super::OpenError;
use super::open::sentence;

/// Marks a file as ours ("cgw1"), so that another program's database is not written to.
const APPLICATION: i64 = 0x6367_7731;

/// The steps of the schema, in order; the number of a step is its place, counted from 1. A step that shipped is
/// never edited.
const STEPS: &[&str] = &[include_str!("../migrations/sqlite/0001_tenants_keys_credentials.sql")];

/// Runs the steps that are missing, all in one transaction that keeps other processes out.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    path: &std::path::Path,
) -> Result<(), OpenError> {
    let mut exclusive =
        connection.begin_with("BEGIN EXCLUSIVE").await.map_err(|error| sentence(&error, path))?;
    let (version, application) = state(&mut exclusive, path).await?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(OpenError::new(format!(
            "the database {} has schema {version}, made by a newer version of contacts-gateway; this version knows \
             schema {known}: start the newer version, or give this one a database of its own",
            path.display()
        )));
    }
    if application != APPLICATION && (version > 0 || tables(&mut exclusive, path).await? > 0) {
        return Err(OpenError::new(format!(
            "the file {} is the database of another program; name another file in GATEWAY_DATABASE_URL",
            path.display()
        )));
    }
    if version == known {
        return Ok(());
    }
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or_default()) {
        sqlx::raw_sql(*step).execute(&mut *exclusive).await.map_err(|error| sentence(&error, path))?;
    }
    mark(&mut exclusive, known).await.map_err(|error| sentence(&error, path))?;
    exclusive.commit().await.map_err(|error| sentence(&error, path))
}

async fn state(connection: &mut SqliteConnection, path: &std::path::Path) -> Result<(i64, i64), OpenError> {
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await;
    let application = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await;
    version.and_then(|version| Ok((version, application?))).map_err(|error| sentence(&error, path))
}

async fn tables(connection: &mut SqliteConnection, path: &std::path::Path) -> Result<i64, OpenError> {
    sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(connection)
        .await
        .map_err(|error| sentence(&error, path))
}

/// A pragma takes no bound values; both numbers are ours.
async fn mark(connection: &mut SqliteConnection, version: i64) -> sqlx::Result<()> {
    let marks = format!("PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(connection).await?;
    Ok(())
}
