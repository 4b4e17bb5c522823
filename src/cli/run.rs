//! The commands that run until they are stopped: the gateway, the demo, a simulator.

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{anyhow, bail};
use tracing::level_filters::LevelFilter;

use super::output::Output;
use super::settings::LOG_FLAGS;
use super::{has_colours, start_logs};
use crate::app::{self, SIMULATED};
use crate::config::{Config, Flags, LogFormat, SettingOrigin};
use crate::simulators::Fault;
use crate::telemetry;

pub(super) async fn serve(flags: Flags) -> anyhow::Result<()> {
    let inspected = app::inspect(&flags);
    let warnings = inspected.warnings();
    let server = inspected.valid()?;
    let config = &server.config;
    let is_json = match config.log.log_format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    start_logs(config, config.log.log, is_json)?;
    telemetry::log_warnings(&warnings);
    app::serve(server, flags).await
}

/// The demo reads no configuration, because that of a real gateway must not affect it.
pub(super) async fn demo(flags: &Flags, output: &mut Output) -> anyhow::Result<()> {
    let config = start(flags, true)?;
    if !is_log_given(&config) {
        telemetry::log_briefly();
    }
    let announce =
        |text: &str| output.text(text).map_err(|_| anyhow::anyhow!("the output cannot be written"));
    app::demo(address(&config, 8080), has_colours(&std::io::stdout()), announce).await?;
    Output::note("The demo has stopped; its data is removed.");
    Ok(())
}

pub(super) async fn simulate(
    provider: &str,
    faults: Vec<Fault>,
    flags: &Flags,
    output: &mut Output,
) -> anyhow::Result<()> {
    let known = || SIMULATED.iter().map(|crm| crm.provider).collect::<Vec<_>>().join(", ");
    let at = SIMULATED.iter().position(|crm| crm.provider == provider);
    let at =
        at.ok_or_else(|| anyhow!("there is no simulator with this name; the simulators are: {}", known()))?;
    let port = 8081 + u16::try_from(at).unwrap_or_default();
    let config = start(flags, true)?;
    let set = faults.len();
    let running = SIMULATED[at].start(address(&config, port), faults).await?;
    output.line(format!(
        "{provider}, simulated, at {} with the token {}",
        running.base_url(),
        running.token()
    ))?;
    output
        .line("Received calls: GET /_simulator/journal. Faults: POST /_simulator/faults. Ctrl-C stops it.")?;
    if set > 0 {
        output.line(format!("{set} faults are set; GET /_simulator/faults lists those that remain."))?;
    }
    app::stopped().await?;
    running.shutdown().await;
    Ok(())
}

/// The address of `--listen`, or `port` on loopback.
fn address(config: &Config, port: u16) -> SocketAddr {
    let is_given = matches!(config.origin("listen"), SettingOrigin::Flag(_));
    if is_given { config.server.listen } else { SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
}

fn is_log_given(config: &Config) -> bool {
    matches!(config.origin("log"), SettingOrigin::Flag(_))
}

/// Starts the logs of a command that reads its flags only. Flags that would have no effect are refused, also `--listen` if the
/// command does not listen.
pub(super) fn start(flags: &Flags, listens: bool) -> anyhow::Result<Config> {
    let is_taken = |key: &str| LOG_FLAGS.contains(&key) || (listens && key == "listen");
    let given = flags.file.iter().map(|_| "config").chain(flags.values.iter().map(|(key, _)| *key));
    if let Some(refused) = given.into_iter().find(|key| !is_taken(key)) {
        let listen = if listens { "--listen, " } else { "" };
        bail!(
            "this command reads no configuration, so it does not take --{}; of the settings it takes {listen}--log and --log-format",
            refused.replace('_', "-")
        );
    }
    let config = Config::read(flags, [])?;
    let level = if is_log_given(&config) { config.log.log } else { LevelFilter::WARN };
    start_logs(&config, level, config.log.log_format == LogFormat::Json)?;
    Ok(config)
}
