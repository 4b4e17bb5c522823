//! Flags that override environment and file, from the declaration of the settings. Secrets have no flags, because all users can
//! see a process's arguments.

use std::path::PathBuf;

use clap::error::Error;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::config::{Flags, SECTIONS, Setting};

/// The settings that each command takes which reads no configuration.
pub(super) const LOG_FLAGS: [&str; 2] = ["log", "log_format"];

/// The flags of a command that reads no configuration: those of [`LOG_FLAGS`], and `--listen` with the text `listen`. The others
/// are refused, so its help does not show them.
pub(super) fn log_flags(listen: Option<&'static str>) -> Vec<Arg> {
    let flag = |setting: &'static Setting, name| {
        let help = match listen {
            Some(help) if setting.key == "listen" => Some(help.to_owned()),
            _ => LOG_FLAGS.contains(&setting.key).then(|| doc(setting)),
        };
        let is_hidden = help.is_none();
        flag(setting.key, name, help.unwrap_or_default()).hide(is_hidden)
    };
    let config = flag_of_file().hide(true);
    flagged().map(|(setting, name)| flag(setting, name)).chain([config]).collect()
}

fn flag(id: &'static str, name: &'static str, help: String) -> Arg {
    let long = id.replace('_', "-");
    Arg::new(id).long(long).global(true).value_name(name).help(help).help_heading("Settings")
}

fn flag_of_file() -> Arg {
    let help = "A TOML file of settings [environment: GATEWAY_CONFIG]";
    flag("config", "FILE", help.to_owned()).value_parser(value_parser!(PathBuf))
}

fn doc(setting: &Setting) -> String {
    setting.doc().replace('`', "").trim_end_matches('.').to_owned()
}

/// Flags of every command.
pub(super) struct SettingFlags(pub(super) Flags);

fn flagged() -> impl Iterator<Item = (&'static Setting, &'static str)> {
    const SETTINGS: &[crate::config::SettingSection] = &SECTIONS;
    let settings = SETTINGS.iter().flat_map(|section| section.settings);
    settings.filter_map(|setting| Some((setting, setting.flag?)))
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let settings = flagged().map(|(setting, name)| {
            flag(setting.key, name, format!("{} [environment: {}]", doc(setting), setting.variable()))
        });
        command.arg(flag_of_file()).args(settings)
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
