//! The commands of the operator. They use the same database as a running server.

mod checks;
mod config_documents;
mod confirm;
mod contact_columns;
mod credentials;
mod exit_code;
mod export;
mod faults;
mod file_format;
mod gateway_client;
mod import;
mod keys;
mod master_key;
mod output;
mod progress_bar;
mod run;
mod secret;
mod settings;
mod tenants;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{CommandFactory, Parser, Subcommand};
use secrecy::ExposeSecret;

use self::output::Output;
use self::settings::{SettingFlags, log_flags};
use crate::app::Components;
use crate::config::{Config, LogFormat, allows_colours};
use crate::simulators::Fault;
use crate::store::Location;
use crate::telemetry::{self, LineFormat};

/// One contacts API in front of several CRMs.
#[derive(Parser)]
#[command(name = "contacts-gateway", version, about, arg_required_else_help = true, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until it is stopped.
    #[command(after_long_help = config_documents::settings_help())]
    Serve,
    /// Run the gateway with both CRMs simulated, with people, a key and credentials. It needs no account and keeps nothing.
    #[command(args = log_flags(Some("Address and port on loopback [default: 127.0.0.1:8080]")))]
    Demo,
    /// Run the simulator of one CRM, and make it fail.
    #[command(after_long_help = faults::faults_help(), args = log_flags(Some(SIMULATOR_ADDRESS)))]
    Simulate {
        /// Which CRM: a provider, such as aptly or pipeline.
        provider: String,
        /// A fault: KIND, or KIND:FIELD=VALUE,…, or JSON. Give it again for more: the first that matches a call affects it.
        #[arg(long = "fault", value_name = "FAULT", value_parser = faults::fault)]
        faults: Vec<Fault>,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Tenants: who owns credentials and keys.
    #[command(subcommand)]
    Tenant(tenants::TenantsCommand),
    /// API keys of a tenant.
    #[command(subcommand)]
    Key(keys::KeysCommand),
    /// Credentials: links of a tenant to CRM accounts.
    #[command(subcommand)]
    Credential(credentials::CredentialsCommand),
    /// The key that seals the secrets of credentials.
    #[command(subcommand)]
    MasterKey(master_key::MasterKeyCommand),
    /// Write all contacts of a credential to a file or to standard output, through a running gateway.
    #[command(args = log_flags(None))]
    Export(Box<export::ExportFlags>),
    /// Create a contact for each row of a file, through a running gateway. A second run continues the first.
    #[command(args = log_flags(None))]
    Import(Box<import::ImportFlags>),
    /// Show the configuration with the source of each value, or everything that is wrong with it.
    CheckConfig {
        /// Also connect to the database, which is not changed: check its schema, and that the master key opens its secrets.
        #[arg(long)]
        live: bool,
    },
    /// Documents about the configuration file.
    #[command(subcommand)]
    Config(config_documents::ConfigCommand),
    /// Create the database if it is missing, and bring its schema up to date; `serve` does this too.
    Migrate,
    /// Copy the SQLite database to a new file while the gateway runs. Keep the master key elsewhere: the copy is useless without it.
    Backup {
        /// The new file; readable by this user only.
        file: PathBuf,
    },
    /// Succeed if the server of this configuration is ready.
    Healthcheck,
    /// Print the completions for a shell, such as `contacts-gateway completions bash > /etc/bash_completion.d/contacts-gateway`.
    Completions { shell: clap_complete::Shell },
}

const SIMULATOR_ADDRESS: &str =
    "Address and port of the simulator [default: 127.0.0.1:8081 for aptly, 127.0.0.1:8082 for pipeline]";

const EXIT_CODES: &str = "Exit codes: 0 success; 1 failure; 2 wrong usage, or a configuration that is not valid (a restart does not help).";

/// Runs the command line. Errors are printed to standard error; the help says what the exit codes mean.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Standard error may be closed.
            let _ = if usage.use_stderr() && std::env::args_os().skip(1).any(|arg| may_hold_a_password(&arg))
            {
                writeln!(std::io::stderr(), "error: {}; {NOT_SHOWN}", usage.kind())
            } else {
                usage.print()
            };
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    telemetry::quiet_panics();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow!("the runtime cannot start: {error}"))
        .and_then(|runtime| {
            let outcome = runtime.block_on(execute(cli));
            // A busy thread must not delay the end, such as the lookup of a name that never resolves.
            runtime.shutdown_timeout(telemetry::traces::LAST_WORK);
            outcome
        });
    exit_code::exit_code(outcome)
}

/// Printed instead of the arguments.
const NOT_SHOWN: &str = "the arguments are not repeated here, because one of them looks like a URL. Put it between quotes, or \
     into GATEWAY_DATABASE_URL, and percent-encode the password. For the usage, try '--help'.";

/// Whether it looks like the URL of a database, or like one with a password. Without quotes the shell splits one at blanks, and
/// its parts become arguments.
fn may_hold_a_password(argument: &std::ffi::OsStr) -> bool {
    let text = argument.to_string_lossy();
    let behind_scheme = text.split_once("://");
    behind_scheme.is_some_and(|(scheme, rest)| scheme.contains("postgres") || rest.contains('@'))
}

async fn execute(Cli { settings: SettingFlags(flags), command }: Cli) -> anyhow::Result<()> {
    let mut output = Output::new();
    match command {
        Command::Serve => run::serve(flags).await,
        Command::Demo => run::demo(&flags, &mut output).await,
        Command::Simulate { provider, faults } => run::simulate(&provider, faults, &flags, &mut output).await,
        Command::Openapi => output.text(&crate::api::openapi::document()),
        Command::MasterKey(master_key::MasterKeyCommand::Generate) => master_key::generate(&mut output),
        Command::MasterKey(master_key::MasterKeyCommand::Rotate) => {
            master_key::rotate(&opened(&flags).await?, &mut output).await
        }
        Command::Export(export) => {
            run::start(&flags, false)?;
            export::run(*export).await
        }
        Command::Import(import) => {
            run::start(&flags, false)?;
            import::run(*import, &mut output).await
        }
        Command::CheckConfig { live } => checks::check_config(&flags, live, &mut output).await,
        Command::Config(command) => config_documents::run(&command, &mut output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "contacts-gateway", &mut script);
            output.text(&String::from_utf8_lossy(&script))
        }
        Command::Migrate => checks::migrate(&configured(&flags)?, &mut output).await,
        Command::Backup { file } => checks::backup(&existing(&flags)?, &file).await,
        Command::Healthcheck => checks::healthcheck(&configured(&flags)?).await,
        Command::Tenant(command) => tenants::run(&opened(&flags).await?, command, &mut output).await,
        Command::Key(command) => keys::run(&opened(&flags).await?, command, &mut output).await,
        Command::Credential(command) => credentials::run(&opened(&flags).await?, command, &mut output).await,
    }
}

/// Reads the configuration and starts the logs, which show only warnings and errors.
fn configured(flags: &crate::config::Flags) -> anyhow::Result<Config> {
    let config = Config::load(flags)?;
    let is_json = config.log.log_format == LogFormat::Json;
    start_logs(&config, config.log.log.min(tracing::level_filters::LevelFilter::WARN), is_json)?;
    telemetry::log_warnings(&config.warnings);
    Ok(config)
}

fn start_logs(
    config: &Config,
    level: tracing::level_filters::LevelFilter,
    is_json: bool,
) -> anyhow::Result<()> {
    let format = if is_json {
        LineFormat::Json
    } else {
        LineFormat::Text { colours: has_colours(&std::io::stderr()) }
    };
    telemetry::start(level, format, config.log.log_success.one_of()).map_err(|error| anyhow!("{error}"))
}

/// Whether what is written to `stream` may have colours.
fn has_colours(stream: &impl IsTerminal) -> bool {
    allows_colours() && stream.is_terminal()
}

async fn opened(flags: &crate::config::Flags) -> anyhow::Result<Components> {
    Components::open(&existing(flags)?).await
}

/// The configuration of a command whose database must exist: in the wrong folder it would make another one, and what it stores
/// there would be unknown to the server.
fn existing(flags: &crate::config::Flags) -> anyhow::Result<Config> {
    let config = configured(flags)?;
    must_exist(&config)?;
    Ok(config)
}

fn must_exist(config: &Config) -> anyhow::Result<()> {
    if let Location::Sqlite(path) = Location::parse(config.storage.database_url.expose_secret())?
        // An empty file is none either.
        && std::fs::metadata(&path).map_or_else(|error| error.kind() == ErrorKind::NotFound, |file| file.len() == 0)
    {
        let shown = std::path::absolute(&path).unwrap_or(path);
        bail!(
            "there is no database at {} ({}); only `serve`, `demo` and `migrate` create one. Run this command in the \
             server's folder, or give its database with --database-url or GATEWAY_DATABASE_URL",
            shown.display(),
            config.origin("database_url"),
        );
    }
    Ok(())
}
