//! The connections to either database, with a bound on how long an answer may take.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Connection, Encode, PgPool, Postgres, SqlitePool, Type};

use super::Row;

/// How long PostgreSQL may take to answer, once a connection is had. Its own limit is shorter, and names the statement.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// The pool of one database.
pub(in crate::store) enum Connections {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A value for a placeholder.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
    Bytes(Option<&'a [u8]>),
}

impl Connections {
    pub(super) async fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> sqlx::Result<u64> {
        match self {
            Self::Sqlite(pool) => Ok(bound(sql, values).execute(pool).await?.rows_affected()),
            Self::Postgres(pool) => {
                let mut held = Held::take(pool).await?;
                let done = in_time(bound(sql, values).execute(held.connection()?)).await;
                held.give_back(&done);
                Ok(done?.rows_affected())
            }
        }
    }

    pub(super) async fn rows(&self, sql: &'static str, values: &[Value<'_>]) -> sqlx::Result<Vec<Row>> {
        match self {
            Self::Sqlite(pool) => {
                Ok(bound(sql, values).fetch_all(pool).await?.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(pool) => {
                let mut held = Held::take(pool).await?;
                let rows = in_time(bound(sql, values).fetch_all(held.connection()?)).await;
                held.give_back(&rows);
                Ok(rows?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    pub(super) async fn execute_all(&self, sql: &'static str, lists: &[Vec<Value<'_>>]) -> sqlx::Result<()> {
        self.together(sql, lists, false).await.map(|_| ())
    }

    pub(super) async fn execute_where_each_counts(
        &self,
        sql: &'static str,
        lists: &[Vec<Value<'_>>],
    ) -> sqlx::Result<bool> {
        self.together(sql, lists, true).await
    }

    /// All in one transaction, which `each_counts` gives up with the first run that touches no row.
    async fn together(
        &self,
        sql: &'static str,
        lists: &[Vec<Value<'_>>],
        each_counts: bool,
    ) -> sqlx::Result<bool> {
        match self {
            Self::Sqlite(pool) => {
                let mut all = pool.begin().await?;
                for values in lists {
                    let touched = bound(sql, values).execute(&mut *all).await?.rows_affected();
                    if each_counts && touched == 0 {
                        return all.rollback().await.map(|()| false);
                    }
                }
                all.commit().await.map(|()| true)
            }
            Self::Postgres(pool) => {
                let mut held = Held::take(pool).await?;
                let connection = held.connection()?;
                let done = in_time(async {
                    let mut all = connection.begin().await?;
                    for values in lists {
                        let touched = bound(sql, values).execute(&mut *all).await?.rows_affected();
                        if each_counts && touched == 0 {
                            return all.rollback().await.map(|()| false);
                        }
                    }
                    all.commit().await.map(|()| true)
                })
                .await;
                held.give_back(&done);
                done
            }
        }
    }
}

/// A connection to PostgreSQL that goes back to the pool only when its statement ended: one that was left in the middle,
/// because the answer was late or the caller is gone, is closed, and the next request never meets what is left on it.
struct Held(Option<PoolConnection<Postgres>>);

impl Held {
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

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(ANSWERED_WITHIN, answer).await.unwrap_or_else(|_| {
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time")))
    })
}

/// The statement with its values in place.
fn bound<DB: sqlx::Database>(sql: &'static str, values: &[Value<'_>]) -> Query<'static, DB, DB::Arguments>
where
    for<'t> Option<&'t str>: Encode<'t, DB> + Type<DB>,
    for<'t> String: Encode<'t, DB> + Type<DB>,
    for<'t> Option<&'t [u8]>: Encode<'t, DB> + Type<DB>,
    for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
{
    values.iter().fold(sqlx::query(sql), |query, value| match *value {
        // PostgreSQL fails over a NUL in a text, which a path or a name may bring; here it is no character of any id.
        Value::Text(Some(text)) if text.contains('\0') => query.bind(text.replace('\0', "\u{fffd}")),
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(bytes: Option<&'a [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}
