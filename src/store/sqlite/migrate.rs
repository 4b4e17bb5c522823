//! Updates the schema of a SQLite file, one process at a time.

use sqlx::{Connection, SqliteConnection};

use super::sentence;
use crate::store::{OpenError, schema};

/// Marks a file as ours ("cgw1"), so that the database of another program is not written to.
const APPLICATION: i64 = 0x6367_7731;

/// Runs the missing steps in one transaction that keeps other processes out.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    path: &std::path::Path,
) -> Result<(), OpenError> {
    let mut exclusive =
        connection.begin_with("BEGIN EXCLUSIVE").await.map_err(|error| sentence(&error, path))?;
    let (version, application) = state(&mut exclusive, path).await?;
    let known = schema::known();
    if application != APPLICATION && (version > 0 || tables(&mut exclusive, path).await? > 0) {
        return Err(OpenError::new(format!(
            "the file {} is the database of another program; set another file in GATEWAY_DATABASE_URL",
            path.display()
        )));
    }
    if version > known {
        let usable_by = usable_by(&mut exclusive).await.map_err(|error| sentence(&error, path))?;
        return schema::usable(version, usable_by, &path.display().to_string());
    }
    if version == known {
        return Ok(());
    }
    for step in schema::missing(version) {
        sqlx::raw_sql(step.sqlite).execute(&mut *exclusive).await.map_err(|error| sentence(&error, path))?;
    }
    mark(&mut exclusive, known).await.map_err(|error| sentence(&error, path))?;
    exclusive.commit().await.map_err(|error| sentence(&error, path))
}

async fn state(connection: &mut SqliteConnection, path: &std::path::Path) -> Result<(i64, i64), OpenError> {
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await;
    let application = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await;
    version.and_then(|version| Ok((version, application?))).map_err(|error| sentence(&error, path))
}

async fn usable_by(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT usable_by FROM schema_use").fetch_one(connection).await
}

async fn tables(connection: &mut SqliteConnection, path: &std::path::Path) -> Result<i64, OpenError> {
    sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(connection)
        .await
        .map_err(|error| sentence(&error, path))
}

/// A pragma takes no bound values; both numbers are constants.
async fn mark(connection: &mut SqliteConnection, version: i64) -> sqlx::Result<()> {
    let marks = format!("PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(connection).await?;
    Ok(())
}
