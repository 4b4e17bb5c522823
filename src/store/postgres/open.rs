//! Opens a PostgreSQL database; every obstacle is a sentence.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use super::{PostgresUrl, migrate};
use crate::store::OpenError;

/// How long a request waits for a connection, and a start for the database.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// How long a start waits while another process migrates, and for its own migration.
const MIGRATED_WITHIN: Duration = Duration::from_mins(1);
const CONNECTIONS: u32 = 10;

/// Opens the database at `url` with its schema up to date.
pub(crate) async fn open(url: &PostgresUrl) -> Result<PgPool, OpenError> {
    let options = url.options().clone().application_name("contacts-gateway").disable_statement_logging();
    let mut first = first_connection(&options, url).await?;
    tokio::time::timeout(MIGRATED_WITHIN, migrate::migrate(&mut first, url)).await.map_err(|_| {
        OpenError::new(format!(
            "the schema of the database {url} could not be brought up to date within a minute: another process holds \
             its tables; end it and start again"
        ))
    })??;
    // What matters is committed; how the farewell goes does not.
    let _ = first.close().await;
    Ok(pool(options))
}

/// Connections are made when they are needed. Each is tried before it is handed out, so that one which the server closed
/// meanwhile is replaced and no request meets it.
fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECTED_WITHIN)
        .test_before_acquire(true)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // Sent as statements: a pooler in between refuses settings in the greeting.
                sqlx::raw_sql(
                    "SET statement_timeout = '4s'; SET idle_in_transaction_session_timeout = '10s'",
                )
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

async fn first_connection(options: &PgConnectOptions, url: &PostgresUrl) -> Result<PgConnection, OpenError> {
    tokio::time::timeout(CONNECTED_WITHIN, PgConnection::connect_with(options))
        .await
        .map_err(|_| {
            OpenError::new(format!("the database {url} does not answer; check host, port and network"))
        })?
        .map_err(|error| sentence(&error, url))
}

/// What a failed first contact means, and what to do.
pub(super) fn sentence(error: &sqlx::Error, url: &PostgresUrl) -> OpenError {
    let what = advice(error).map_or_else(|| format!("cannot be used: {error}"), str::to_owned);
    OpenError::new(format!("the database {url} {what}"))
}

/// What PostgreSQL's error means for whoever runs the gateway, where that is known.
pub(in crate::store) fn advice(error: &sqlx::Error) -> Option<&'static str> {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => {
            return Some("cannot be reached; check that it runs, and host and port in GATEWAY_DATABASE_URL");
        }
        sqlx::Error::Tls(_) => {
            return Some(
                "offers no TLS that can be trusted; check sslmode and sslrootcert in GATEWAY_DATABASE_URL",
            );
        }
        _ => {}
    }
    Some(match error.as_database_error()?.code()?.as_ref() {
        "28P01" | "28000" => "refuses this user or password; check both in GATEWAY_DATABASE_URL",
        "3D000" => "does not exist; make it with CREATE DATABASE, owned by the gateway's user",
        "42501" => "lets this user make no tables; make the user its owner, or grant CREATE on its schema",
        "53300" => "has no connection free; raise max_connections or end other programs",
        "53100" => "cannot grow: its disk is full; make room",
        "57P03" => "is starting or stopping; try again in a moment",
        "25006" => "is read-only; name the primary, not a replica, in GATEWAY_DATABASE_URL",
        _ => return None,
    })
}
