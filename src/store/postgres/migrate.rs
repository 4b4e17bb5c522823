//! Updates the schema of a PostgreSQL database, one process at a time.

use sqlx::{Connection, PgConnection, Postgres, Transaction};

use super::{PostgresUrl, sentence};
use crate::store::schema::{HEADS, SchemaAndHeads};
use crate::store::{OpenError, schema};

/// The advisory lock that keeps other processes out ("cgw1"). It belongs to the transaction, so it ends if the process is
/// killed. A lock of the session would not work behind a pooler.
const LOCK: i64 = 0x6367_7731;

/// Runs the missing steps in one transaction. No statement is prepared under a name, because behind a pooler the name may be
/// in use.
pub(super) async fn migrate(connection: &mut PgConnection, url: &PostgresUrl) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| sentence(&error, url);
    let mut exclusive = connection.begin().await.map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .persistent(false)
        .execute(&mut *exclusive)
        .await
        .map_err(failed)?;
    let (version, usable_by) = if let Some(state) = state(&mut exclusive, url).await? {
        state
    } else {
        let create = "CREATE TABLE schema_use (version BIGINT NOT NULL, usable_by BIGINT NOT NULL); \
             INSERT INTO schema_use (version, usable_by) VALUES (0, 1)";
        sqlx::raw_sql(create).execute(&mut *exclusive).await.map_err(failed)?;
        (0, 1)
    };
    let known = schema::known();
    if version > known {
        return schema::usable(version, usable_by, &url.to_string());
    }
    if version == known {
        return Ok(());
    }
    for step in schema::missing(version) {
        sqlx::raw_sql(step.postgres).execute(&mut *exclusive).await.map_err(failed)?;
    }
    sqlx::query("UPDATE schema_use SET version = $1")
        .bind(known)
        .persistent(false)
        .execute(&mut *exclusive)
        .await
        .map_err(failed)?;
    exclusive.commit().await.map_err(failed)
}

/// The version, the oldest program version that can use it, and the heads of secrets.
pub(super) async fn inspect(
    connection: &mut PgConnection,
    url: &PostgresUrl,
    length: i64,
) -> Result<SchemaAndHeads, OpenError> {
    let failed = |error: sqlx::Error| sentence(&error, url);
    // What a transaction begins is the same connection's behind a pooler; it is never committed.
    let mut reading = connection.begin().await.map_err(failed)?;
    let Some((version, usable_by)) = state(&mut reading, url).await? else { return Ok((0, 0, Vec::new())) };
    let heads = sqlx::query_as(HEADS)
        .bind(length)
        .persistent(false)
        .fetch_all(&mut *reading)
        .await
        .map_err(failed)?;
    Ok((version, usable_by, heads))
}

/// The last step, and the oldest program version that can use the schema; `None` if the database is empty. Fails if it has
/// tables and not our mark.
async fn state(
    transaction: &mut Transaction<'_, Postgres>,
    url: &PostgresUrl,
) -> Result<Option<(i64, i64)>, OpenError> {
    let failed = |error: sqlx::Error| sentence(&error, url);
    let marked: bool = sqlx::query_scalar("SELECT to_regclass('schema_use') IS NOT NULL")
        .persistent(false)
        .fetch_one(&mut **transaction)
        .await
        .map_err(failed)?;
    if marked {
        return sqlx::query_as("SELECT version, usable_by FROM schema_use")
            .persistent(false)
            .fetch_one(&mut **transaction)
            .await
            .map(Some)
            .map_err(failed);
    }
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
            .persistent(false)
            .fetch_one(&mut **transaction)
            .await
            .map_err(failed)?;
    if tables > 0 {
        return Err(OpenError::new(format!(
            "the database {url} contains tables of another program; create an empty database and set it in \
             GATEWAY_DATABASE_URL"
        )));
    }
    Ok(None)
}
