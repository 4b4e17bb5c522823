//! The settings and tables in the TOML file.

use std::borrow::Cow;
use std::path::Path;

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

use super::fault::{ConfigFault, SettingOrigin};
use super::file_table::{FileKey, FileSource, FileTable, whole};
use super::jwt::{self, JwtIssuer};
use super::limits::{self, UpstreamLimits};
use super::setting::{Setting, ValueKind, unknown_key};
use super::settings;
use super::small_file::{LARGEST, named, text};

/// One setting in the file. Its key may be `…_file`.
pub(super) struct FileEntry {
    pub(super) setting: &'static Setting,
    pub(super) is_path: bool,
    pub(super) text: SecretString,
    pub(super) origin: SettingOrigin,
}

/// The tables of the file, which no flag or variable replaces.
#[derive(Default)]
pub(super) struct FileTables {
    pub(super) issuers: Vec<JwtIssuer>,
    pub(super) upstream_limits: UpstreamLimits,
    /// The file is not valid TOML, so that settings may be missing only because they could not be read.
    pub(super) is_broken: bool,
}

/// The settings and tables in the TOML file at `path`. Invalid ones are left out and added to `faults`.
pub(super) fn read(path: &Path, faults: &mut Vec<ConfigFault>) -> (Vec<FileEntry>, FileTables) {
    let shown = if path.exists() { path.display().to_string() } else { named(path) };
    let text = match text(path, LARGEST) {
        Ok(text) => text,
        Err(reason) => {
            let origin = SettingOrigin::Nowhere("the configuration file".to_owned());
            faults.push(ConfigFault::new(&origin, format!("{shown} cannot be read: {reason}")));
            return (Vec::new(), FileTables { is_broken: true, ..FileTables::default() });
        }
    };
    let source = FileSource { shown: shown.into(), text: &text };
    let (table, errors) = DeTable::parse_recoverable(&text);
    let mut file = FileTable::of(table.into_inner(), String::new(), 1, source.clone());
    // The parser's whole text quotes the line, which may contain a secret.
    let broken: Vec<ConfigFault> = errors
        .iter()
        .map(|error| {
            let line = error.span().map_or(1, |span| source.line(span.start));
            file.fault(line, format!("not valid TOML: {}", error.message()))
        })
        .collect();
    let (mut found, mut tables) = (Vec::new(), FileTables::default());
    // An issuer beside invalid TOML may lack parts only because they could not be read.
    if let Some(auth) = file.take("auth").filter(|_| broken.is_empty()) {
        tables.issuers = jwt::read(&file, auth, &mut found);
    }
    if let Some(limits) = file.take("limits") {
        tables.upstream_limits = limits::read(&file, limits, &mut found);
    }
    let keys = file.rest();
    let entries =
        keys.into_iter().filter_map(|key| entry(&file, key).map_err(|fault| found.push(fault)).ok());
    let entries: Vec<FileEntry> = entries.collect();
    if broken.is_empty() {
        faults.append(&mut found);
        return (entries, tables);
    }
    // What was read beside invalid TOML is checked too, but values of invalid lines are guesses.
    let is_guess = |origin: &SettingOrigin| broken.iter().any(|fault| fault.origin.place() == origin.place());
    found.retain(|fault| !is_guess(&fault.origin));
    faults.extend(found);
    let entries = entries.into_iter().filter(|entry| !is_guess(&entry.origin)).collect();
    faults.extend(broken);
    (entries, FileTables { is_broken: true, ..FileTables::default() })
}

fn entry(file: &FileTable<'_>, key: FileKey<'_>) -> Result<FileEntry, ConfigFault> {
    let FileKey { name, line, value } = key;
    let (setting, is_path) = known(&name).ok_or_else(|| {
        let names = settings::all().map(|setting| Cow::Borrowed(setting.key));
        file.fault(line, unknown_key(&name, names.chain(["auth".into(), "limits".into()])))
    })?;
    let origin = SettingOrigin::Line { file: file.source.shown.clone(), line, key: name };
    let takes_list =
        !is_path && matches!(setting.kind, ValueKind::List | ValueKind::Origins | ValueKind::Secrets);
    let text = match value {
        DeValue::String(text) => Some(text.into_owned()),
        DeValue::Array(parts) if takes_list => {
            let parts: Option<Vec<&str>> = parts.iter().map(|part| part.get_ref().as_str()).collect();
            parts.map(|parts| parts.join(","))
        }
        DeValue::Integer(number) if matches!(setting.kind, ValueKind::Whole { .. }) => whole(&number),
        _ => None,
    };
    match text {
        Some(text) => Ok(FileEntry { setting, is_path, text: text.into(), origin }),
        None if is_path => Err(ConfigFault::new(&origin, "must be a string in quotes")),
        None => Err(ConfigFault::new(&origin, setting.wrong_kind())),
    }
}

fn known(name: &str) -> Option<(&'static Setting, bool)> {
    settings::all().find_map(|setting| {
        let is_path = setting.may_have_file() && name.strip_suffix("_file") == Some(setting.key);
        (is_path || setting.key == name).then_some((setting, is_path))
    })
}
