//! The store in PostgreSQL: its URL, opening and migration. Every problem is reported as one sentence.

mod migrate;
mod url;

use std::sync::Arc;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Postgres, Row, Transaction};

use crate::store::OpenError;
use crate::store::schema::SchemaAndHeads;
use crate::telemetry::RepeatLimit;
pub use url::PostgresUrl;

/// How long a request waits for a connection, and a start for the database.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// How long a start waits for a migration, its own or that of another process.
const MIGRATED_WITHIN: Duration = Duration::from_mins(1);
const CONNECTIONS: u32 = 10;
/// The minimum time between two attempts to find out why no connection is free.
const EXPLAINED_EVERY: Duration = Duration::from_secs(30);

/// A setting that the startup packet requests. A pooler shares a server connection between clients, so it refuses or drops
/// the setting. If it is missing, statements may not rely on a session.
const MARK: (&str, &str) = ("contacts_gateway.session", "own");
/// The time limits of a statement, of its wait for locks of others, and of an idle open transaction. The wait ends first, so that
/// its error is told apart from a slow database.
const BOUNDS: &str =
    "SET statement_timeout = '4s'; SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '10s';";
/// The same behind a pooler, where only a transaction keeps its server connection.
const BEGIN_BOUNDED: &str = "BEGIN; SET LOCAL statement_timeout = '4s'; SET LOCAL lock_timeout = '3s'; SET LOCAL idle_in_transaction_session_timeout = '10s'";

/// Connections to PostgreSQL, direct or through a pooler such as PgBouncer in transaction mode.
#[derive(Clone)]
pub(crate) struct PostgresPool {
    pub(in crate::store) pool: PgPool,
    /// Whether each statement may reach another server connection. Then a prepared statement of another client may have the
    /// same name, so each statement runs in a transaction and is prepared without a name.
    pub(in crate::store) is_shared: bool,
    /// How often [`Self::why_none`] tries.
    explained: Arc<RepeatLimit>,
}

impl PostgresPool {
    /// Begins a transaction with the time limits of statements.
    pub(in crate::store) async fn begin<'c>(
        &self,
        connection: &'c mut PgConnection,
    ) -> sqlx::Result<Transaction<'c, Postgres>> {
        if self.is_shared { connection.begin_with(BEGIN_BOUNDED).await } else { connection.begin().await }
    }

    /// Why no connection came in time. The pool tries again until then and does not say what failed, so a connection of its own
    /// is tried, seldom.
    pub(in crate::store) async fn why_none(&self) -> sqlx::Error {
        if self.explained.due("").is_none() {
            return sqlx::Error::PoolTimedOut;
        }
        let options = self.pool.connect_options();
        match tokio::time::timeout(Duration::from_secs(1), PgConnection::connect_with(&options)).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) => sqlx::Error::PoolTimedOut,
            Err(_) => sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "the server does not respond",
            )),
        }
    }
}

/// Opens the database at `url` with its schema up to date.
pub(crate) async fn open(url: &PostgresUrl) -> Result<PostgresPool, OpenError> {
    let options = url.options().clone().application_name("contacts-gateway").disable_statement_logging();
    let (mut first, is_shared) = first_connection(&options, url).await?;
    tokio::time::timeout(MIGRATED_WITHIN, migrate::migrate(&mut first, url)).await.map_err(|_| {
        OpenError::new(format!(
            "the schema of the database {url} could not be updated within a minute because another process holds \
             locks on its tables; end it and start again"
        ))
    })??;
    // Everything is committed, so an error here has no effect.
    let _ = first.close().await;
    Ok(PostgresPool {
        pool: if is_shared { pool(options) } else { sessions(options) },
        is_shared,
        explained: Arc::new(RepeatLimit::new(EXPLAINED_EVERY)),
    })
}

/// What the database at `url` holds.
pub(super) async fn inspect(url: &PostgresUrl, length: i64) -> Result<SchemaAndHeads, OpenError> {
    let options = url.options().clone().application_name("contacts-gateway").disable_statement_logging();
    let (mut connection, _) = first_connection(&options, url).await?;
    let held = migrate::inspect(&mut connection, url, length).await;
    // Everything is read, so an error here has no effect.
    let _ = connection.close().await;
    held
}

/// Connections are opened on demand. Each is tested before use, so a connection that the server closed is replaced and no
/// request fails because of it.
fn options_of_pool() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECTED_WITHIN)
        .test_before_acquire(true)
}

fn pool(options: PgConnectOptions) -> PgPool {
    options_of_pool().connect_lazy_with(options)
}

/// Connections that keep a session. If a pooler was added after the start, its connections are not used: a prepared
/// statement could be another client's.
fn sessions(options: PgConnectOptions) -> PgPool {
    options_of_pool()
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(BOUNDS).execute(&mut *connection).await?;
                if keeps_session(connection).await? {
                    return Ok(());
                }
                tracing::error!(
                    "a pooler was added in front of the database after the start; restart the gateway"
                );
                Err(sqlx::Error::Protocol("a pooler was added after the start".to_owned()))
            })
        })
        .connect_lazy_with(options.options([MARK]))
}

/// The first connection, and whether it goes through a pooler.
async fn first_connection(
    options: &PgConnectOptions,
    url: &PostgresUrl,
) -> Result<(PgConnection, bool), OpenError> {
    let connected = async {
        match PgConnection::connect_with(&options.clone().options([MARK])).await {
            Ok(mut connection) => {
                let keeps = keeps_session(&mut connection).await?;
                Ok((connection, !keeps))
            }
            Err(error) if refuses_settings(&error) => Ok((PgConnection::connect_with(options).await?, true)),
            Err(error) => Err(error),
        }
    };
    tokio::time::timeout(CONNECTED_WITHIN, connected)
        .await
        .map_err(|_| {
            OpenError::new(format!("the database {url} does not respond; check host, port and network"))
        })?
        .map_err(|error| sentence(&error, url))
}

async fn keeps_session(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let row = sqlx::raw_sql("SELECT current_setting('contacts_gateway.session', true)")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get::<Option<String>, _>(0)?.as_deref() == Some(MARK.1))
}

/// Whether the server refused the requested setting: a protocol violation (PgBouncer), or an unsupported feature.
fn refuses_settings(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == "08P01" || code == "0A000")
}

/// The sentence for a failed first connection.
fn sentence(error: &sqlx::Error, url: &PostgresUrl) -> OpenError {
    let what = advice(error).unwrap_or("cannot be used");
    OpenError::new(format!("the database {url} {what}")).with_cause(shown(error))
}

/// Whether another session kept a lock for too long.
pub(in crate::store) fn is_locked(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "55P03")
}

/// Whether the server has no room to write.
pub(in crate::store) fn is_full(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "53100")
}

/// The error text without what the server repeats of a login. User and database may be misread parts of the password.
pub(in crate::store) fn shown(error: &sqlx::Error) -> String {
    match error.as_database_error().and_then(DatabaseError::code) {
        Some(code) if code.len() == 5 && ["08", "28", "3D"].iter().any(|class| code.starts_with(class)) => {
            format!("SQLSTATE {code}")
        }
        _ => error.to_string(),
    }
}

/// The operator's remedy for an error of PostgreSQL, if it is known.
pub(in crate::store) fn advice(error: &sqlx::Error) -> Option<&'static str> {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => {
            return Some("cannot be reached; check that it runs, and host and port in GATEWAY_DATABASE_URL");
        }
        sqlx::Error::Tls(_) => {
            return Some(
                "has no trusted TLS certificate; check sslmode and sslrootcert in GATEWAY_DATABASE_URL",
            );
        }
        _ => {}
    }
    Some(match error.as_database_error()?.code()?.as_ref() {
        "08P01" => {
            "is reached through a pooler that rejects this login; check its databases and users, and give no options[…] in \
             GATEWAY_DATABASE_URL: set them with ALTER ROLE"
        }
        "28P01" | "28000" => "rejects this user or password; check both in GATEWAY_DATABASE_URL",
        "3D000" => "does not exist; create it with CREATE DATABASE, owned by the gateway's user",
        "42501" => {
            "does not let this user create tables; make the user its owner, or grant CREATE on its schema"
        }
        "53300" => "has no free connection; raise max_connections or end other programs",
        "53100" => "cannot grow because its disk is full; free disk space",
        "55P03" => "is locked by another session, such as a maintenance command; pg_locks shows which",
        "57P03" => "is starting or stopping; try again in a few seconds",
        "25006" => "is read-only; name the primary, not a replica, in GATEWAY_DATABASE_URL",
        _ => return None,
    })
}
