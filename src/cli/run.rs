//! The commands that run until they are stopped: the gateway, the demo, a simulator.

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};

use tracing::level_filters::LevelFilter;

use super::cli_error::{CliError, CliOutcome};
use super::output::Output;
use super::settings::LOG_FLAGS;
use super::start_logs;
use crate::app::{self, SIMULATED};
use crate::config::{Config, Flags, LogFormat, SettingOrigin, allows_colours};
use crate::simulators::Fault;
use crate::telemetry;

pub(super) async fn serve(flags: Flags) -> CliOutcome {
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
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(app::serve(server, flags).await?)
}

/// The demo reads no configuration, because that of a real gateway must not affect it.
pub(super) async fn demo(flags: &Flags, output: &mut Output) -> CliOutcome {
    let config = start(flags, true)?;
    if !is_log_given(&config) {
        telemetry::log_briefly();
    }
    let has_colours = allows_colours() && std::io::stdout().is_terminal();
    let announce = |text: &str| {
        let text = if has_colours { coloured(text) } else { text.to_owned() };
        output.text(&text).map_err(|_| anyhow::anyhow!("the output cannot be written"))
    };
    app::demo(address(&config, 8080), announce).await?;
    Output::note("The demo has stopped; its data is removed.");
    Ok(())
}

/// The text of the demo with the title and the names of the pages in bold, and remarks dimmed. What readers copy stays plain.
fn coloured(text: &str) -> String {
    let bold = |text: &str| format!("\x1b[1m{text}\x1b[0m");
    let line = |(number, line): (usize, &str)| match line.split_once("  ") {
        _ if number == 0 => bold(line),
        _ if line.starts_with("# ") || line.ends_with('.') => format!("\x1b[2m{line}\x1b[0m"),
        Some((name, rest)) if rest.trim_start().starts_with("http") => format!("{}  {rest}", bold(name)),
        _ => line.to_owned(),
    };
    text.lines().enumerate().map(|each| line(each) + "\n").collect()
}

pub(super) async fn simulate(
    provider: &str,
    faults: Vec<Fault>,
    flags: &Flags,
    output: &mut Output,
) -> CliOutcome {
    let known = || SIMULATED.iter().map(|crm| crm.provider).collect::<Vec<_>>().join(", ");
    let at = SIMULATED.iter().position(|crm| crm.provider == provider);
    let at = at.ok_or_else(|| {
        CliError::failed(format!("there is no simulator with this name; the simulators are: {}", known()))
    })?;
    let port = 8081 + u16::try_from(at).unwrap_or_default();
    let config = start(flags, true)?;
    let running = SIMULATED[at].start(address(&config, port)).await?;
    let set = faults.len();
    for fault in faults {
        running.fault(fault);
    }
    output.line(format!(
        "{provider}, simulated, at {} with the token {}",
        running.base_url(),
        running.token()
    ))?;
    output
        .line("Received calls: GET /_simulator/journal. Faults: POST /_simulator/faults. Ctrl-C stops it.")?;
    if set > 0 {
        output
            .line(format!("Faults that are set: {set}. GET /_simulator/faults shows those that are left."))?;
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
pub(super) fn start(flags: &Flags, listens: bool) -> Result<Config, CliError> {
    let is_taken = |key: &str| LOG_FLAGS.contains(&key) || (listens && key == "listen");
    let given = flags.file.iter().map(|_| "config").chain(flags.values.iter().map(|(key, _)| *key));
    if let Some(refused) = given.into_iter().find(|key| !is_taken(key)) {
        let listen = if listens { "--listen, " } else { "" };
        return Err(CliError::failed(format!(
            "this command reads no configuration, so it does not take --{}; of the settings it takes {listen}--log and --log-format",
            refused.replace('_', "-")
        )));
    }
    let config = Config::read(flags, [])?;
    let level = if is_log_given(&config) { config.log.log } else { LevelFilter::WARN };
    start_logs(&config, level, config.log.log_format == LogFormat::Json)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::coloured;

    #[test]
    fn what_readers_copy_has_no_colours() {
        let text = "title\n\nGuide     http://x\naptly  http://y   its calls\nexport KEY=cg_1\n# two people\ncurl -s 'http://x'\nThe end.\n";
        let bold = "\x1b[1mtitle\x1b[0m\n\n\x1b[1mGuide\x1b[0m     http://x\n\x1b[1maptly\x1b[0m  http://y   its calls\n";
        let rest =
            "export KEY=cg_1\n\x1b[2m# two people\x1b[0m\ncurl -s 'http://x'\n\x1b[2mThe end.\x1b[0m\n";
        assert_eq!(coloured(text), format!("{bold}{rest}"));
    }
}
