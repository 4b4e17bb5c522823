//! `check-config`, `migrate`, `backup`, `healthcheck`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use secrecy::ExposeSecret;
use tracing::level_filters::LevelFilter;

use super::gateway_client::status;
use super::output::Output;
use super::{must_exist, start_logs};
use crate::app::{self, ValidServer};
use crate::config::{Config, Flags, ServerSettings, SettingValue, ValueKind};
use crate::store::{Location, Store};

const HEALTH_TIME: Duration = Duration::from_secs(3);

/// Prints every value with its origin if all are valid, otherwise every fault.
pub(super) async fn check_config(flags: &Flags, live: bool, output: &mut Output) -> anyhow::Result<()> {
    let inspected = app::inspect(flags);
    for warning in inspected.warnings() {
        Output::note(format!("warning: {warning}"));
    }
    if let Some(expiry) = inspected.certificate_expiry() {
        Output::note(if expiry.needs_warning() { format!("warning: {expiry}") } else { expiry.to_string() });
    }
    let ValidServer { config, .. } = inspected.valid()?;
    output.table(["SETTING", "VALUE", "FROM"], &rows(&config))?;
    Output::note("The configuration is valid.");
    if live {
        // What the checks log is shown.
        start_logs(&config, LevelFilter::WARN, false)?;
        must_exist(&config)?;
        Output::note(app::check_live(&config).await?);
    }
    Ok(())
}

/// Setting, value, origin.
fn rows(config: &Config) -> Vec<[String; 3]> {
    let settings = config.values().map(|(setting, given)| {
        let (value, place) = match given {
            Some(given) if setting.kind == ValueKind::Database => (location(&given), given.origin.place()),
            Some(given) => (given.shown(setting.kind), given.origin.place()),
            None => ("(not set)".to_owned(), String::new()),
        };
        [setting.key.to_owned(), value, place]
    });
    let issuers = config.issuers.iter();
    let issuers = issuers.map(|issuer| ["auth.jwt".to_owned(), issuer.shown(), issuer.origin.place()]);
    let limits = config.upstream_limits.0.iter();
    let limits = limits.map(|limits| {
        [format!("limits.upstream.{}", limits.provider), limits.shown(), limits.origin.place()]
    });
    settings.chain(issuers).chain(limits).collect()
}

/// The database without user and password. Nothing is shown of a URL that cannot be parsed.
fn location(given: &SettingValue) -> String {
    Location::parse(given.value.expose_secret())
        .map_or_else(|_| given.shown(ValueKind::Database), |location| location.to_string())
}

pub(super) async fn migrate(config: &Config, output: &mut Output) -> anyhow::Result<()> {
    let store = Store::open(&Location::parse(config.storage.database_url.expose_secret())?).await?;
    let schema = store.database.schema().await?;
    store.database.close().await;
    output.line(format!("The database has schema {schema}, which is up to date."))
}

pub(super) async fn backup(config: &Config, file: &Path) -> anyhow::Result<()> {
    Store::backup(&Location::parse(config.storage.database_url.expose_secret())?, file).await?;
    Output::note(format!("Copied the database to {}.", file.display()));
    Ok(())
}

pub(super) async fn healthcheck(config: &Config) -> anyhow::Result<()> {
    let ServerSettings { listen, ops_listen, .. } = config.server;
    // The listener for health checks has its own connections, which callers cannot use up, and no TLS.
    let scheme = if ops_listen.is_none() && config.server.tls().is_some() { "https" } else { "http" };
    let address = reachable(ops_listen.unwrap_or(listen));
    match status(&format!("{scheme}://{address}/readyz"), HEALTH_TIME).await {
        Ok(200) => Ok(()),
        Ok(status) => Err(anyhow!("the server at {address} is not ready: it responds with {status}")),
        Err(reason) => Err(anyhow!("no server responds at {address}: {reason}")),
    }
}

/// A server that listens on all addresses is reached on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, listen.port())
}
