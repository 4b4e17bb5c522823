//! The connections to either database, with a time limit for responses.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{Arguments, Encode, Executor, IntoArguments, PgConnection, Postgres, Type};

use super::Row;
use crate::store::postgres::PostgresPool;
use crate::store::sqlite::Sqlite;
use crate::store::write_outcome::{WriteOutcome, collect};

/// The time limit of a statement on PostgreSQL, without the wait for a connection. The server's own limit is shorter, and
/// its error names the statement.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// A statement and the values of its placeholders.
pub(super) type Statement<'a> = (&'static str, &'a [SqlValue<'a>]);

pub(in crate::store) enum SqlConnections {
    Sqlite(Sqlite),
    Postgres(PostgresPool),
}

#[derive(Clone, Copy)]
pub(super) enum SqlValue<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
    Bytes(Option<&'a [u8]>),
}

/// The futures of PostgreSQL are boxed: they are large, and would be a part of every future that may use the store.
impl SqlConnections {
    pub(super) async fn rows(&self, sql: &'static str, values: &[SqlValue<'_>]) -> sqlx::Result<Vec<Row>> {
        match self {
            Self::Sqlite(file) => {
                Ok(bound(sql, values)?.fetch_all(&file.pool).await?.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(pool) => {
                Ok(Box::pin(ran(pool, sql, values)).await?.rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Runs all statements in one transaction. With `each_counts`, the first statement that touches no row undoes it.
    pub(super) async fn write(
        &self,
        statements: &[Statement<'_>],
        each_counts: bool,
    ) -> Result<WriteOutcome<Row>, Arc<sqlx::Error>> {
        match self {
            Self::Sqlite(file) => {
                let mut owned = Vec::with_capacity(statements.len());
                for (sql, values) in statements {
                    owned.push((*sql, arguments::<sqlx::Sqlite>(values)?));
                }
                Ok(file.writer.write(owned, each_counts).await?.with_rows(Row::Sqlite))
            }
            Self::Postgres(pool) => {
                let done = match statements {
                    [(sql, values)] => Box::pin(ran(pool, sql, values)).await.map(|done| WriteOutcome {
                        unmatched: (each_counts && done.touched == 0).then_some(0),
                        ..done
                    }),
                    several => Box::pin(ran_together(pool, several, each_counts)).await,
                };
                Ok(done.map_err(Arc::new)?.with_rows(Row::Postgres))
            }
        }
    }
}

/// Runs statements on PostgreSQL in one transaction.
async fn ran_together(
    pool: &PostgresPool,
    statements: &[Statement<'_>],
    each_counts: bool,
) -> sqlx::Result<WriteOutcome<PgRow>> {
    let mut held = HeldConnection::take(pool).await?;
    let connection = held.connection()?;
    let done = in_time(async {
        let mut all = pool.begin(connection).await?;
        let mut total = WriteOutcome::default();
        for (index, (sql, values)) in statements.iter().enumerate() {
            let done = outcome(bound(sql, values)?.persistent(!pool.is_shared), &mut all).await?;
            if each_counts && done.touched == 0 {
                all.rollback().await?;
                return Ok(WriteOutcome::undone_at(index));
            }
            total.add(done);
        }
        all.commit().await?;
        Ok(total)
    })
    .await;
    held.give_back(&done);
    done
}

/// Runs one statement on PostgreSQL.
async fn ran(
    pool: &PostgresPool,
    sql: &'static str,
    values: &[SqlValue<'_>],
) -> sqlx::Result<WriteOutcome<PgRow>> {
    let mut held = HeldConnection::take(pool).await?;
    let connection = held.connection()?;
    let done = in_time(async {
        if !pool.is_shared {
            return outcome(bound(sql, values)?, connection).await;
        }
        // Behind a pooler, only a transaction keeps the two steps (parse, execute) on one server connection.
        let mut alone = pool.begin(connection).await?;
        let done = outcome(bound(sql, values)?.persistent(false), &mut alone).await?;
        alone.commit().await?;
        Ok(done)
    })
    .await;
    held.give_back(&done);
    done
}

async fn outcome(
    statement: Query<'static, Postgres, PgArguments>,
    connection: &mut PgConnection,
) -> sqlx::Result<WriteOutcome<PgRow>> {
    collect(connection.fetch_many(statement), PgQueryResult::rows_affected).await
}

/// A connection to PostgreSQL that returns to the pool only if its statement ended. If the response was late or the caller is
/// gone, the connection is closed, so no other request gets its leftovers.
struct HeldConnection(Option<PoolConnection<Postgres>>);

impl HeldConnection {
    async fn take(pool: &PostgresPool) -> sqlx::Result<Self> {
        match pool.pool.acquire().await {
            Err(sqlx::Error::PoolTimedOut) => Err(pool.why_none().await),
            connection => Ok(Self(Some(connection?))),
        }
    }

    fn connection(&mut self) -> sqlx::Result<&mut sqlx::PgConnection> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    fn give_back<T>(mut self, outcome: &sqlx::Result<T>) {
        if matches!(outcome, Ok(_) | Err(sqlx::Error::Database(_))) {
            drop(self.0.take());
        }
    }
}

impl Drop for HeldConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

async fn in_time<T>(response: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(ANSWERED_WITHIN, response).await.unwrap_or_else(|_| {
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no response in time")))
    })
}

/// The statement with its values in place.
fn bound<DB: sqlx::Database>(
    sql: &'static str,
    values: &[SqlValue<'_>],
) -> sqlx::Result<Query<'static, DB, DB::Arguments>>
where
    DB::Arguments: IntoArguments<DB>,
    for<'t> Option<&'t str>: Encode<'t, DB> + Type<DB>,
    for<'t> String: Encode<'t, DB> + Type<DB>,
    for<'t> Option<&'t [u8]>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
{
    Ok(sqlx::query_with(sql, arguments::<DB>(values)?))
}

fn arguments<DB: sqlx::Database>(values: &[SqlValue<'_>]) -> sqlx::Result<DB::Arguments>
where
    for<'t> Option<&'t str>: Encode<'t, DB> + Type<DB>,
    for<'t> String: Encode<'t, DB> + Type<DB>,
    for<'t> Option<&'t [u8]>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
{
    let mut arguments = DB::Arguments::default();
    for value in values {
        match *value {
            // PostgreSQL fails on a NUL in a text, which a path or a name may contain; no id contains the replacement.
            SqlValue::Text(Some(text)) if text.contains('\0') => {
                arguments.add(text.replace('\0', "\u{fffd}"))
            }
            SqlValue::Text(text) => arguments.add(text),
            SqlValue::Number(number) => arguments.add(number),
            SqlValue::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

impl<'a> From<&'a str> for SqlValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for SqlValue<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for SqlValue<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for SqlValue<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a [u8]> for SqlValue<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'a> From<Option<&'a [u8]>> for SqlValue<'a> {
    fn from(bytes: Option<&'a [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}
