//! Rows of either database as records, and errors as failures.

use std::time::Duration;

use sqlx::error::ErrorKind;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use crate::domain::{Failure, FailureKind, Result, Text, Timestamp};
use crate::store::{After, DATABASE_UNAVAILABLE, Stage, postgres, sqlite};
use crate::telemetry::{RepeatLimit, series};

const DISK_FULL: &str = "disk full";
const LOCKED_BY_OTHERS: &str = "database locked";
/// While the database is down every statement fails: metrics count all, the log limits each text.
static LOGGED: RepeatLimit = RepeatLimit::new(Duration::from_secs(30));

pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn column<'r, T>(&'r self, name: &str) -> Result<T>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(name),
            Self::Postgres(row) => row.try_get(name),
        }
        .map_err(|error| unavailable(&error))
    }

    pub(super) fn text(&self, name: &str) -> Result<Text> {
        self.column::<&str>(name).map(Text::from)
    }

    /// A text column that may be absent.
    pub(super) fn some_text(&self, name: &str) -> Result<Option<Text>> {
        Ok(self.column::<Option<&str>>(name)?.map(Text::from))
    }

    /// A count, which is never negative.
    pub(super) fn number(&self, name: &str) -> Result<u64> {
        Ok(u64::try_from(self.column::<i64>(name)?).unwrap_or_default())
    }

    pub(super) fn stage(&self) -> Result<Stage> {
        let stage = Stage::parse(self.column("stage")?);
        stage.ok_or_else(|| Failure::internal("the database has an unknown stage of a write"))
    }

    /// A time, stored as milliseconds.
    pub(super) fn time(&self, name: &str) -> Result<Timestamp> {
        timestamp(self.column(name)?)
    }

    pub(super) fn some_time(&self, name: &str) -> Result<Option<Timestamp>> {
        self.column::<Option<i64>>(name)?.map(timestamp).transpose()
    }
}

fn timestamp(milliseconds: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|_| Failure::internal("the database contains an invalid time"))
}

/// A failed statement that adds or changes a row with a name.
pub(super) fn refused(error: &sqlx::Error) -> Failure {
    match error.as_database_error().map(sqlx::error::DatabaseError::kind) {
        Some(ErrorKind::UniqueViolation) => {
            Failure::new(FailureKind::NameTaken, "This name is already in use. Choose another one.")
        }
        Some(ErrorKind::ForeignKeyViolation) => {
            Failure::new(FailureKind::TenantNotFound, "There is no tenant with this id.")
        }
        _ => unavailable(error),
    }
}

/// Any other failed statement. Only the log gets the reason, which names tables and files, never values.
pub(super) fn unavailable(error: &sqlx::Error) -> Failure {
    // The error codes of both databases differ, so each function ignores the codes of the other.
    let advice = sqlite::advice(error).or_else(|| postgres::advice(error)).unwrap_or("failed");
    let reason = reason(error);
    series::database_error(reason);
    let error = postgres::shown(error);
    if let Some(suppressed) = LOGGED.due(&error) {
        tracing::error!(error, suppressed, "the database {advice}");
    }
    Failure::new(FailureKind::StoreUnavailable, "The gateway's database is not available. Try again.")
        .with_reason(reason)
}

fn reason(error: &sqlx::Error) -> &'static str {
    if sqlite::is_full(error) || postgres::is_full(error) {
        DISK_FULL
    } else if sqlite::is_busy(error) || postgres::is_locked(error) {
        LOCKED_BY_OTHERS
    } else {
        DATABASE_UNAVAILABLE
    }
}

/// The values for a comparison of `(created_at, id)` that selects the rows after `after`. Without it, all rows follow.
pub(super) fn behind(after: Option<&After>) -> (i64, &str) {
    after.map_or((i64::MIN, ""), |After { created_at, id }| (created_at.as_millisecond(), id.as_str()))
}
