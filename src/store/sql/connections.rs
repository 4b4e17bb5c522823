//! The connections to either database, with a time limit for responses.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Either, Encode, Executor, PgConnection, PgPool, Postgres, Type};

use super::Row;
use crate::store::postgres::PostgresPool;
use crate::store::sqlite::Sqlite;

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

impl SqlConnections {
    pub(super) async fn execute(&self, sql: &'static str, values: &[SqlValue<'_>]) -> sqlx::Result<u64> {
        match self {
            Self::Sqlite(file) => Ok(bound(sql, values).execute(&file.pool).await?.rows_affected()),
            Self::Postgres(pool) => Ok(ran(pool, sql, values).await?.0),
        }
    }

    pub(super) async fn rows(&self, sql: &'static str, values: &[SqlValue<'_>]) -> sqlx::Result<Vec<Row>> {
        match self {
            Self::Sqlite(file) => {
                Ok(bound(sql, values).fetch_all(&file.pool).await?.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(pool) => {
                Ok(ran(pool, sql, values).await?.1.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Runs all statements in one transaction. With `each_counts`, the first statement that touches no row rolls it back;
    /// its index is returned.
    pub(super) async fn together(
        &self,
        statements: &[Statement<'_>],
        each_counts: bool,
    ) -> sqlx::Result<Option<usize>> {
        match self {
            Self::Sqlite(file) => {
                let mut all = file.pool.begin().await?;
                for (place, (sql, values)) in statements.iter().enumerate() {
                    let touched = bound(sql, values).execute(&mut *all).await?.rows_affected();
                    if each_counts && touched == 0 {
                        return all.rollback().await.map(|()| Some(place));
                    }
                }
                all.commit().await.map(|()| None)
            }
            Self::Postgres(pool) => {
                let mut held = HeldConnection::take(&pool.pool).await?;
                let connection = held.connection()?;
                let done = in_time(async {
                    let mut all = pool.begin(connection).await?;
                    for (place, (sql, values)) in statements.iter().enumerate() {
                        let statement = bound(sql, values).persistent(!pool.is_shared);
                        let touched = statement.execute(&mut *all).await?.rows_affected();
                        if each_counts && touched == 0 {
                            return all.rollback().await.map(|()| Some(place));
                        }
                    }
                    all.commit().await.map(|()| None)
                })
                .await;
                held.give_back(&done);
                done
            }
        }
    }
}

/// Runs one statement on PostgreSQL. Returns the number of rows it touched, and the rows it returned.
async fn ran(
    pool: &PostgresPool,
    sql: &'static str,
    values: &[SqlValue<'_>],
) -> sqlx::Result<(u64, Vec<PgRow>)> {
    let mut held = HeldConnection::take(&pool.pool).await?;
    let connection = held.connection()?;
    let done = in_time(async {
        if !pool.is_shared {
            return outcome(bound(sql, values), connection).await;
        }
        // Behind a pooler, only a transaction keeps the two steps (parse, execute) on one server connection.
        let mut alone = pool.begin(connection).await?;
        let done = outcome(bound(sql, values).persistent(false), &mut alone).await?;
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
) -> sqlx::Result<(u64, Vec<PgRow>)> {
    let (mut touched, mut rows) = (0, Vec::new());
    let mut steps = connection.fetch_many(statement);
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(done) => touched += done.rows_affected(),
            Either::Right(row) => rows.push(row),
        }
    }
    drop(steps);
    Ok((touched, rows))
}

/// A connection to PostgreSQL that returns to the pool only if its statement ended. If the response was late or the caller is
/// gone, the connection is closed, so no other request gets its leftovers.
struct HeldConnection(Option<PoolConnection<Postgres>>);

impl HeldConnection {
    async fn take(pool: &PgPool) -> sqlx::Result<Self> {
        Ok(Self(Some(pool.acquire().await?)))
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
fn bound<DB: sqlx::Database>(sql: &'static str, values: &[SqlValue<'_>]) -> Query<'static, DB, DB::Arguments>
where
    for<'t> Option<&'t str>: Encode<'t, DB> + Type<DB>,
    for<'t> String: Encode<'t, DB> + Type<DB>,
    for<'t> Option<&'t [u8]>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
{
    values.iter().fold(sqlx::query(sql), |query, value| match *value {
        // PostgreSQL fails on a NUL in a text, which a path or a name may contain; no id contains the replacement.
        SqlValue::Text(Some(text)) if text.contains('\0') => query.bind(text.replace('\0', "\u{fffd}")),
        SqlValue::Text(text) => query.bind(text),
        SqlValue::Number(number) => query.bind(number),
        SqlValue::Bytes(bytes) => query.bind(bytes),
    })
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
