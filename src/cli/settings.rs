//! Flags that override environment and file, from the declaration of the settings. Secrets have no flags, because all users can
//! see a process's arguments.

use std::path::PathBuf;

use clap::error::Error;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::config::{Flags, SECTIONS, Setting};

/// Flags of every command.
pub(super) struct SettingFlags(pub(super) Flags);

fn flagged() -> impl Iterator<Item = (&'static Setting, &'static str)> {
    const SETTINGS: &[crate::config::SettingSection] = &SECTIONS;
    let settings = SETTINGS.iter().flat_map(|section| section.settings);
    settings.filter_map(|setting| Some((setting, setting.flag?)))
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let flag = |id: &'static str, name: &'static str, help: String| {
            let long = id.replace('_', "-");
            Arg::new(id).long(long).global(true).value_name(name).help(help).help_heading("Settings")
        };
        let config =
            flag("config", "FILE", "A TOML file of settings [environment: GATEWAY_CONFIG]".to_owned());
        let settings = flagged().map(|(setting, name)| {
            let doc = setting.doc().replace('`', "");
            let help = format!("{} [environment: {}]", doc.trim_end_matches('.'), setting.variable());
            flag(setting.key, name, help)
        });
        command.arg(config.value_parser(value_parser!(PathBuf))).args(settings)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let value = |key: &'static str| Some((key, matches.get_one::<String>(key)?.clone()));
        Ok(Self(Flags {
            file: matches.get_one("config").cloned(),
            values: flagged().filter_map(|(setting, _)| value(setting.key)).collect(),
        }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
