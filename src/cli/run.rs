//! The commands that run until they are stopped: the gateway, the demo, a simulator.

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};

use tracing::level_filters::LevelFilter;

use super::cli_error::{CliError, CliOutcome};
use super::output::Output;
use super::start_logs;
use crate::app::{self, SIMULATED};
use crate::config::{self, Config, Flags, LogFormat, LoggedSuccesses};
use crate::telemetry;

pub(super) async fn serve(config: &Config) -> CliOutcome {
    let is_json = match config.log_format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    start_logs(config, config.log, is_json)?;
    Ok(app::serve(config).await?)
}

/// The demo reads no configuration, because that of a real gateway must not affect it.
pub(super) async fn demo(flags: &Flags, output: &mut Output) -> CliOutcome {
    start(flags)?;
    let announce =
        |text: &str| output.text(text).map_err(|_| anyhow::anyhow!("the output cannot be written"));
    Ok(app::demo(address(flags, 8080)?, announce).await?)
}

pub(super) async fn simulate(provider: &str, flags: &Flags, output: &mut Output) -> CliOutcome {
    let known = || SIMULATED.iter().map(|crm| crm.provider).collect::<Vec<_>>().join(", ");
    let at = SIMULATED.iter().position(|crm| crm.provider == provider);
    let at = at.ok_or_else(|| {
        CliError::failed(format!("there is no simulator with this name; the simulators are: {}", known()))
    })?;
    let port = 8081 + u16::try_from(at).unwrap_or_default();
    start(flags)?;
    let running = SIMULATED[at].start(address(flags, port)?).await?;
    output.line(format!(
        "{provider}, simulated, at {} with the token {}",
        running.base_url(),
        running.token()
    ))?;
    output.line(
        "Received calls: GET /_simulator/journal. Set faults: POST /_simulator/faults. Ctrl-C stops it.",
    )?;
    app::stopped().await?;
    running.shutdown().await;
    Ok(())
}

/// The address of `--listen`, or `port` on loopback.
fn address(flags: &Flags, port: u16) -> Result<SocketAddr, CliError> {
    let given = flags.values.iter().find(|(key, _)| *key == "listen").map(|(_, value)| value);
    given.map_or(Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))), |text| {
        text.parse().map_err(|_| {
            CliError::failed(format!("--listen must be an address and a port, such as 127.0.0.1:{port}"))
        })
    })
}

/// Starts the logs of a command without configuration. Flags that would have no effect are refused.
pub(super) fn start(flags: &Flags) -> CliOutcome {
    const TAKEN: [&str; 3] = ["listen", "log", "log_format"];
    let given =
        |key: &str| flags.values.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str());
    if flags.file.is_some() || flags.values.iter().any(|(key, _)| !TAKEN.contains(key)) {
        return Err(CliError::failed(
            "this command reads no configuration; its only flags are --listen, --log and --log-format",
        ));
    }
    let level = given("log").map_or(Ok(LevelFilter::WARN), config::level);
    let level = level.map_err(|fault| CliError::failed(format!("--log {fault}")))?;
    let format = given("log_format").map_or(Ok(LogFormat::Auto), config::format);
    let format = format.map_err(|fault| CliError::failed(format!("--log-format {fault}")))?;
    telemetry::start(level, format == LogFormat::Json, LoggedSuccesses::All.one_of())
        .map_err(|error| CliError::failed(error.to_string()))
}
