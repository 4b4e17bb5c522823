//! Combines the sources, the last one wins: defaults, file, environment, flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::file::Tables;
use super::jwt::JwtIssuer;
use super::limits::UpstreamLimits;
use super::settings::{SETTINGS, Sensitivity, Setting};
use super::{Flags, crash, file, small_file};
use crate::domain::nearest;

/// The variable that names the configuration file.
const FILE_VARIABLE: &str = "GATEWAY_CONFIG";

/// The value of a setting and its origin.
#[derive(Clone, Debug)]
pub struct SettingValue {
    pub value: SecretString,
    /// Such as `GATEWAY_LISTEN`, `--listen`, `listen in gateway.toml`, `default`.
    pub origin: String,
}

impl SettingValue {
    /// The value as it may be shown.
    #[must_use]
    pub fn shown(&self, exposure: Sensitivity) -> String {
        let value = self.value.expose_secret();
        match exposure {
            // No valid value looks like this, and a URL may contain a password.
            Sensitivity::Open if value.contains("://") || value.contains('@') => "(not shown)".to_owned(),
            Sensitivity::Open => value.to_owned(),
            Sensitivity::Secret | Sensitivity::Secrets | Sensitivity::Url => "(set)".to_owned(),
        }
    }
}

/// The values of all sources, and what is wrong with them.
pub(super) struct Collected {
    pub(super) given: Vec<(&'static Setting, Option<SettingValue>)>,
    pub(super) issuers: Vec<JwtIssuer>,
    pub(super) upstream_limits: UpstreamLimits,
    pub(super) faults: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// The API key of the commands that call a gateway. It is no setting of a gateway.
const API_KEY_VARIABLE: &str = "GATEWAY_API_KEY";

/// The API key in the environment, if it is set and not empty.
#[must_use]
pub fn api_key() -> Option<SecretString> {
    let text = std::env::var_os(API_KEY_VARIABLE)?.into_string().ok()?;
    Some(text.trim()).filter(|text| !text.is_empty()).map(SecretString::from)
}

/// This process's variables that begin with `GATEWAY_`.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with("GATEWAY_") && !crash::is_ours(name) && name != API_KEY_VARIABLE)
        .collect()
}

/// Reads every source. A later one replaces the whole value of an earlier one, including `…_FILE`.
pub(super) fn collect(flags: &Flags, environment: impl IntoIterator<Item = (String, String)>) -> Collected {
    let mut variables: BTreeMap<String, String> =
        environment.into_iter().filter(|(name, _)| name.starts_with("GATEWAY_")).collect();
    let (mut faults, mut values, mut tables) = (Vec::new(), BTreeMap::new(), Tables::default());
    let named = variables.remove(FILE_VARIABLE).map(PathBuf::from);
    if named.as_deref().is_some_and(|path| path.as_os_str().is_empty()) {
        faults.push(format!("{FILE_VARIABLE} is empty; give it the path of a file or remove it"));
    } else if let Some(path) = flags.file.as_ref().or(named.as_ref()) {
        tables = from_file(path, &mut values, &mut faults);
    }
    from_variables(&mut variables, &mut values, &mut faults);
    for (key, value) in &flags.values {
        let origin = format!("--{}", key.replace('_', "-"));
        let given = SettingValue { value: value.clone().into(), origin };
        check_filled(&given, &mut faults);
        values.insert(*key, given);
    }
    let given =
        SETTINGS.iter().map(|setting| (setting, values.remove(setting.key).or_else(|| default(setting))));
    Collected {
        given: given.collect(),
        issuers: tables.issuers,
        upstream_limits: tables.upstream_limits,
        faults,
        warnings: variables.keys().map(|name| warning(name)).collect(),
    }
}

type Values = BTreeMap<&'static str, SettingValue>;

fn from_file(path: &Path, values: &mut Values, faults: &mut Vec<String>) -> Tables {
    let (entries, tables) = file::read(path, faults);
    for (setting, is_path, text) in entries {
        let suffix = if is_path { "_file" } else { "" };
        let origin = format!("{}{suffix} in {}", setting.key, path.display());
        let given = SettingValue { value: text, origin };
        let Some(given) = resolved(setting, given, is_path, faults) else { continue };
        if let Some(other) = values.insert(setting.key, given) {
            faults.push(format!(
                "{} and {}_file both give the same secret; keep one",
                other.origin, setting.key
            ));
        }
    }
    tables
}

fn from_variables(variables: &mut BTreeMap<String, String>, values: &mut Values, faults: &mut Vec<String>) {
    for setting in SETTINGS {
        let file_variable = format!("{}_FILE", setting.variable);
        let plain = variables.remove(setting.variable);
        let path = if setting.from_file() { variables.remove(&file_variable) } else { None };
        let (text, is_path) = match (plain, path) {
            (None, None) => continue,
            (Some(_), Some(_)) => {
                faults.push(format!("{} and {file_variable} are both given; keep one", setting.variable));
                continue;
            }
            (Some(text), None) => (text, false),
            (None, Some(path)) => (path, true),
        };
        let origin = if is_path { file_variable } else { setting.variable.to_owned() };
        if let Some(given) = resolved(setting, SettingValue { value: text.into(), origin }, is_path, faults) {
            values.insert(setting.key, given);
        }
    }
}

/// The value itself, read from its file if a path was given.
fn resolved(
    setting: &Setting,
    given: SettingValue,
    is_path: bool,
    faults: &mut Vec<String>,
) -> Option<SettingValue> {
    if !check_filled(&given, faults) {
        return None;
    }
    if !is_path {
        return Some(given);
    }
    let SettingValue { value, origin } = given;
    let path = Path::new(value.expose_secret());
    let several = setting.exposure == Sensitivity::Secrets;
    match if several { small_file::secrets(path) } else { small_file::secret(path) } {
        Ok(value) => Some(SettingValue { value, origin }),
        Err(fault) => {
            faults.push(format!("{origin} {fault}"));
            None
        }
    }
}

/// An empty value is nearly always a mistake, so it is refused.
fn check_filled(given: &SettingValue, faults: &mut Vec<String>) -> bool {
    let filled = !given.value.expose_secret().trim().is_empty();
    if !filled {
        faults.push(format!("{} is empty; give it a value or remove it", given.origin));
    }
    filled
}

fn default(setting: &Setting) -> Option<SettingValue> {
    setting.default.map(|text| SettingValue { value: text.into(), origin: "default".to_owned() })
}

fn warning(name: &str) -> String {
    let known = SETTINGS.iter().map(|setting| setting.variable).chain([FILE_VARIABLE]);
    match nearest(name, known) {
        Some(near) => format!("the variable {name} is unknown and ignored; did you mean {near}?"),
        None => format!("the variable {name} is unknown and ignored"),
    }
}
