//! `check-config`, `migrate`, `backup`, `healthcheck`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cli_error::{CliError, CliOutcome};
use super::output::Output;
use crate::app;
use crate::config::{
    Config, ConfigError, ConfigFault, Flags, InspectedConfig, SettingOrigin, SettingValue, ValueKind,
    environment,
};
use crate::store::{Location, Store};

const HEALTH_TIME: Duration = Duration::from_secs(3);

/// Prints every value with its origin if all are valid, otherwise every fault.
pub(super) fn check_config(flags: &Flags, output: &mut Output) -> CliOutcome {
    let InspectedConfig { config, mut faults, is_partial } = Config::inspect(flags, environment());
    let invalid: Vec<SettingOrigin> = faults.iter().map(|fault| fault.origin.clone()).collect();
    // Settings that could not be read are not missing.
    let is_new = |fault: &ConfigFault| {
        let is_missing = matches!(fault.origin, SettingOrigin::Nowhere(_));
        !(is_missing && (is_partial || !invalid.is_empty())) && !invalid.contains(&fault.origin)
    };
    faults.extend(app::check(&config).into_iter().filter(is_new));
    for warning in &config.warnings {
        Output::note(format!("warning: {warning}"));
    }
    ConfigError::of(faults)?;
    output.table(["SETTING", "VALUE", "FROM"], &rows(&config))?;
    Output::note("The configuration is valid.");
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

pub(super) async fn migrate(config: &Config, output: &mut Output) -> CliOutcome {
    let store = Store::open(&Location::parse(config.storage.database_url.expose_secret())?).await?;
    let schema = store.database.schema().await?;
    store.database.close().await;
    output.line(format!("The database has schema {schema}, which is up to date."))
}

pub(super) async fn backup(config: &Config, file: &Path) -> CliOutcome {
    Store::backup(&Location::parse(config.storage.database_url.expose_secret())?, file).await?;
    Output::note(format!("Copied the database to {}.", file.display()));
    Ok(())
}

pub(super) async fn healthcheck(config: &Config) -> CliOutcome {
    // The listener for health checks has its own connections, which callers cannot use up.
    let address = reachable(config.server.ops_listen.unwrap_or(config.server.listen));
    match tokio::time::timeout(HEALTH_TIME, ready(address)).await {
        Ok(Ok(200)) => Ok(()),
        Ok(Ok(status)) => {
            Err(CliError::failed(format!("the server at {address} is not ready: it responds with {status}")))
        }
        Ok(Err(error)) => Err(CliError::failed(format!("no server responds at {address}: {error}"))),
        Err(_) => Err(CliError::failed(format!("the server at {address} did not respond within 3 seconds"))),
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

/// The status of `GET /readyz`. The HTTP client of `upstream` is for CRMs, and reading one line needs none.
async fn ready(address: SocketAddr) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(4096).read_to_end(&mut response).await?;
    let line = String::from_utf8_lossy(&response);
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.ok_or_else(|| std::io::Error::other("its response is not HTTP"))
}
