//! Flags that override environment and file. Secrets have no flags, because all users can see a process's arguments.

use std::path::PathBuf;

use clap::Args;

use crate::config::Flags;

/// Flags of every command.
#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct SettingFlags {
    /// A TOML file of settings [environment: `GATEWAY_CONFIG`].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port of the API [environment: `GATEWAY_LISTEN`].
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The database's URL [environment: `GATEWAY_DATABASE_URL`].
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Private hosts and networks that base URLs may reach [environment: `GATEWAY_UPSTREAM_ALLOW`].
    #[arg(long, global = true, value_name = "LIST")]
    upstream_allow: Option<String>,
    /// The log level: off, error, warn, info, debug, trace [environment: `GATEWAY_LOG`].
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    /// The format of the log: auto, text, json [environment: `GATEWAY_LOG_FORMAT`].
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl SettingFlags {
    pub(super) fn into_flags(self) -> Flags {
        let Self { config, listen, database_url, upstream_allow, log, log_format } = self;
        let values = [
            ("listen", listen),
            ("database_url", database_url),
            ("upstream_allow", upstream_allow),
            ("log", log),
            ("log_format", log_format),
        ];
        let values = values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Flags { file: config, values }
    }
}
