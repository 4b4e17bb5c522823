//! Updates the schema of a SQLite file, one process at a time.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{BUSY, sentence};
use crate::store::schema::{HEADS, SchemaAndHeads};
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
    let (version, known) = (version(&mut exclusive, path).await?, schema::known());
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

/// The version, the oldest program version that can use it, and the heads of secrets.
pub(in crate::store) async fn inspect(
    path: &std::path::Path,
    length: i64,
) -> Result<SchemaAndHeads, OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        // Not opened for reading only: such a connection would leave its `-wal` and `-shm` behind.
        .pragma("query_only", "ON")
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let failed = |error: sqlx::Error| sentence(&error, path);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let version = version(&mut connection, path).await?;
    if version == 0 {
        return Ok((0, 0, Vec::new()));
    }
    // Only a newer schema may be out of reach; the first ones do not say.
    let usable_by =
        if version > schema::known() { usable_by(&mut connection).await.map_err(failed)? } else { 1 };
    let heads = sqlx::query_as(HEADS).bind(length).fetch_all(&mut connection).await.map_err(failed)?;
    // Everything is read, so an error here has no effect.
    let _ = connection.close().await;
    Ok((version, usable_by, heads))
}

/// The version of the schema. Fails if the file is the database of another program.
async fn version(connection: &mut SqliteConnection, path: &std::path::Path) -> Result<i64, OpenError> {
    let failed = |error: sqlx::Error| sentence(&error, path);
    let mut number =
        async |sql: &'static str| sqlx::query_scalar(sql).fetch_one(&mut *connection).await.map_err(failed);
    let version: i64 = number("PRAGMA user_version").await?;
    let application = number("PRAGMA application_id").await?;
    let tables = number("SELECT count(*) FROM sqlite_schema").await?;
    if application == APPLICATION || (version == 0 && tables == 0) {
        return Ok(version);
    }
    Err(OpenError::new(format!(
        "the file {} is the database of another program; set another file in GATEWAY_DATABASE_URL",
        path.display()
    )))
}

async fn usable_by(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT usable_by FROM schema_use").fetch_one(connection).await
}

/// A pragma takes no bound values; both numbers are constants.
async fn mark(connection: &mut SqliteConnection, version: i64) -> sqlx::Result<()> {
    let marks = format!("PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(connection).await?;
    Ok(())
}
