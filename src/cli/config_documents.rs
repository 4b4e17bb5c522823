//! `config example`, `config schema`, and the settings in the help of `serve`.

use std::fmt::Write as _;

use clap::Subcommand;

use super::output::Output;
use crate::config::{self, SECTIONS};

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print a configuration file with every setting, each commented out.
    Example,
    /// Print a JSON Schema of the configuration file.
    Schema,
}

pub(super) fn run(command: &ConfigCommand, output: &mut Output) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Example => output.text(&config::example()),
        ConfigCommand::Schema => output.text(&config::schema()),
    }
}

/// Every setting with its variable and default.
pub(super) fn settings_help() -> String {
    let mut text = "Environment variables (a configuration file has the same settings in lower case, without GATEWAY_):\n".to_owned();
    for section in &SECTIONS {
        let _ = writeln!(text, "\n{}", section.title);
        for setting in section.settings {
            let file = if setting.may_have_file() { " or …_FILE" } else { "" };
            let default = setting.default.filter(|default| !default.is_empty());
            let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
            let doc = setting.doc().replace('`', "");
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {}{file}\n          {doc}{default}", setting.variable());
        }
    }
    text
}
