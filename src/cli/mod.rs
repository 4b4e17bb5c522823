//! The commands: what an operator does at a terminal, on the same database as a running server.

mod checks;
mod credentials;
mod ended;
mod keys;
mod output;
mod running;
mod secret;
mod settings;
mod shown;
mod tenants;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::ended::{Ended, Outcome};
use self::output::Output;
use self::settings::SettingFlags;
use crate::app::Parts;
use crate::config::Config;
use crate::telemetry;

/// One contacts API in front of several CRMs.
#[derive(Parser)]
#[command(name = "contacts-gateway", version, about, arg_required_else_help = true, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until it is told to stop.
    Serve,
    /// Run the gateway and both CRMs simulated, with people, a key and credentials: no account, nothing kept.
    Demo,
    /// Run the simulator of one CRM alone.
    Simulate {
        /// Which CRM: a provider, such as aptly or pipeline.
        provider: String,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Tenants: who owns credentials and keys.
    #[command(subcommand)]
    Tenant(tenants::Command),
    /// API keys of a tenant.
    #[command(subcommand)]
    Key(keys::Command),
    /// Credentials: links of a tenant to CRM accounts.
    #[command(subcommand)]
    Credential(credentials::Command),
    /// The key that seals the secrets of credentials.
    #[command(subcommand)]
    MasterKey(checks::MasterKeyCommand),
    /// Say what the configuration is, where each value comes from, and what is wrong with it.
    CheckConfig,
    /// Bring the database's schema up to date; `serve` does so by itself.
    Migrate,
    /// Succeed when the server that listens here is ready.
    Healthcheck,
}

/// Runs the command that this process was started with. Wrong usage ends with 2, a failure with one sentence on
/// standard error and 1.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Where nobody reads, there is nobody to tell.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    telemetry::quiet_panics();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Ended::failed(format!("the runtime cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(execute(cli)));
    ended::exit_code(outcome)
}

async fn execute(Cli { settings, command }: Cli) -> Outcome {
    let flags = settings.into_flags();
    let mut output = Output::new();
    match command {
        Command::Serve => running::serve(&Config::load(&flags)?).await,
        Command::Demo => running::demo(&flags, &mut output).await,
        Command::Simulate { provider } => running::simulate(&provider, &flags, &mut output).await,
        Command::Openapi => output.text(&crate::api::openapi::document()),
        Command::MasterKey(command) => checks::master_key(&command, &mut output),
        Command::CheckConfig => checks::check_config(&flags, &mut output),
        Command::Migrate => checks::migrate(&configured(&flags)?, &mut output).await,
        Command::Healthcheck => checks::healthcheck(&configured(&flags)?).await,
        Command::Tenant(command) => tenants::run(&opened(&flags).await?, command, &mut output).await,
        Command::Key(command) => keys::run(&opened(&flags).await?, command, &mut output).await,
        Command::Credential(command) => credentials::run(&opened(&flags).await?, command, &mut output).await,
    }
}

/// The configuration, with logs started: a command tells of trouble alone, on standard error.
fn configured(flags: &crate::config::Flags) -> Result<Config, Ended> {
    let config = Config::load(flags)?;
    start_logs(&config, config.log.min(tracing::level_filters::LevelFilter::WARN))?;
    Ok(config)
}

fn start_logs(config: &Config, level: tracing::level_filters::LevelFilter) -> Outcome {
    telemetry::start(level, config.log_format == crate::config::LogFormat::Json)
        .map_err(|error| Ended::failed(error.to_string()))?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(())
}

async fn opened(flags: &crate::config::Flags) -> Result<Parts, Ended> {
    Ok(Parts::open(&configured(flags)?).await?)
}
