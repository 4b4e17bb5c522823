//! Combines the sources, the last one wins: defaults, file, environment, flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::fault::{ConfigFault, SettingOrigin};
use super::file::{self, FileEntry, FileTables};
use super::setting::{Setting, SettingSection, ValueKind};
use super::values::FromSetting;
use super::{Flags, crash, settings, small_file};
use crate::domain::suggestion;

/// The variable that names the configuration file.
const FILE_VARIABLE: &str = "GATEWAY_CONFIG";

/// The value of a setting and its origin.
#[derive(Clone, Debug)]
pub struct SettingValue {
    pub value: SecretString,
    pub origin: SettingOrigin,
}

impl SettingValue {
    /// The value as it may be shown, if it is valid.
    #[must_use]
    pub fn shown(&self, kind: ValueKind) -> String {
        let value = self.value.expose_secret();
        match kind {
            ValueKind::Secret | ValueKind::Secrets | ValueKind::Database => "(set)".to_owned(),
            // Without user and password, else it would not be valid.
            ValueKind::Url | ValueKind::Origins => value.to_owned(),
            // No valid value looks like this, and a URL may contain a password.
            _ if value.contains("://") || value.contains('@') => "(not shown)".to_owned(),
            _ => value.to_owned(),
        }
    }
}

/// The values of all sources, and what is wrong with them. Empty, it stands for the defaults.
#[derive(Default)]
pub(super) struct Values {
    pub(super) given: BTreeMap<&'static str, SettingValue>,
    pub(super) faults: Vec<ConfigFault>,
}

impl Values {
    /// The value of the setting `key`; the default if none is given, or if it is not valid.
    pub(super) fn take<T: FromSetting>(&mut self, section: &SettingSection, key: &str) -> T {
        let setting = section.settings.iter().find(|setting| setting.key == key);
        let given = self.given.get(key);
        if let (Some(setting), Some(SettingValue { value, origin })) = (setting, given) {
            let text = value.expose_secret();
            let valid = setting.check(text).and_then(|()| T::from_setting(text).map_err(str::to_owned));
            match valid {
                Ok(value) => return value,
                Err(fault) => self.faults.push(ConfigFault::new(origin, fault)),
            }
        }
        let default = setting.and_then(|setting| setting.default);
        #[expect(clippy::expect_used, reason = "constants; a test reads every default")]
        default
            .map_or_else(T::absent, |text| T::from_setting(text).ok())
            .expect("a setting has a valid default or may be absent")
    }

    fn fault(&mut self, origin: &SettingOrigin, text: impl Into<String>) {
        self.faults.push(ConfigFault::new(origin, text));
    }
}

/// What the sources give.
pub(super) struct Collected {
    pub(super) values: Values,
    pub(super) tables: FileTables,
    pub(super) warnings: Vec<String>,
}

const NO_COLOURS_VARIABLE: &str = "NO_COLOR";
/// The API key of the commands that call a gateway. It is no setting of a gateway.
const API_KEY_VARIABLE: &str = "GATEWAY_API_KEY";

/// Whether the user allows colours on a terminal, see <https://no-color.org>.
#[must_use]
pub fn allows_colours() -> bool {
    std::env::var_os(NO_COLOURS_VARIABLE).is_none_or(|value| value.is_empty())
}

/// The API key in the environment, if it is set and not empty.
#[must_use]
pub fn api_key() -> Option<SecretString> {
    let text = std::env::var_os(API_KEY_VARIABLE)?.into_string().ok()?;
    Some(text.trim()).filter(|text| !text.is_empty()).map(SecretString::from)
}

/// The maximum number of queued spans (`OTEL_BSP_MAX_QUEUE_SIZE`). The SDK reads it too but does not expose it.
#[must_use]
pub fn span_queue() -> usize {
    let given = std::env::var_os("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|text| text.to_str()?.parse().ok());
    // A queue of 0 would lose every span.
    given.filter(|size| *size > 0).unwrap_or(2_048)
}

/// This process's variables that begin with `GATEWAY_`.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with("GATEWAY_") && !crash::is_ours(name) && name != API_KEY_VARIABLE)
        .collect()
}

/// Reads every source. A later one replaces the whole value of an earlier one, including `…_FILE`.
pub(super) fn collect(flags: &Flags, environment: impl IntoIterator<Item = (String, String)>) -> Collected {
    let mut variables: BTreeMap<String, String> =
        environment.into_iter().filter(|(name, _)| name.starts_with("GATEWAY_")).collect();
    let (mut values, mut tables) = (Values::default(), FileTables::default());
    let named = variables.remove(FILE_VARIABLE).map(PathBuf::from);
    if named.as_deref().is_some_and(|path| path.as_os_str().is_empty()) {
        let origin = SettingOrigin::Variable(FILE_VARIABLE.to_owned());
        values.fault(&origin, "is empty; give it the path of a file or remove it");
    } else if let Some(path) = flags.file.as_ref().or(named.as_ref()) {
        tables = from_file(path, &mut values);
    }
    from_variables(&mut variables, &mut values);
    for (key, value) in &flags.values {
        let origin = SettingOrigin::Flag(format!("--{}", key.replace('_', "-")));
        let given = SettingValue { value: value.clone().into(), origin };
        if check_filled(&given, &mut values) {
            values.given.insert(*key, given);
        }
    }
    Collected { values, tables, warnings: variables.keys().map(|name| warning(name)).collect() }
}

fn from_file(path: &Path, values: &mut Values) -> FileTables {
    let (entries, tables) = file::read(path, &mut values.faults);
    for FileEntry { setting, is_path, text, origin } in entries {
        let Some(given) = resolved(setting, SettingValue { value: text, origin }, is_path, values) else {
            continue;
        };
        if let Some(other) = values.given.insert(setting.key, given) {
            let text = format!("given here and as {}_file; keep one", setting.key);
            values.fault(&other.origin, text);
        }
    }
    tables
}

fn from_variables(variables: &mut BTreeMap<String, String>, values: &mut Values) {
    for setting in settings::all() {
        let variable = setting.variable();
        let file_variable = format!("{variable}_FILE");
        let plain = variables.remove(&variable);
        let path = if setting.may_have_file() { variables.remove(&file_variable) } else { None };
        let (text, is_path) = match (plain, path) {
            (None, None) => continue,
            (Some(_), Some(_)) => {
                let text = format!("given together with {file_variable}; keep one");
                values.fault(&SettingOrigin::Variable(variable), text);
                continue;
            }
            (Some(text), None) => (text, false),
            (None, Some(path)) => (path, true),
        };
        let origin = SettingOrigin::Variable(if is_path { file_variable } else { variable });
        if let Some(given) = resolved(setting, SettingValue { value: text.into(), origin }, is_path, values) {
            values.given.insert(setting.key, given);
        }
    }
}

/// The value itself, read from its file if a path was given.
fn resolved(
    setting: &Setting,
    given: SettingValue,
    is_path: bool,
    values: &mut Values,
) -> Option<SettingValue> {
    if !check_filled(&given, values) {
        return None;
    }
    if !is_path {
        return Some(given);
    }
    let SettingValue { value, origin } = given;
    let path = Path::new(value.expose_secret());
    let several = setting.kind == ValueKind::Secrets;
    match if several { small_file::secrets(path) } else { small_file::secret(path) } {
        Ok(value) => Some(SettingValue { value, origin }),
        Err(fault) => {
            values.fault(&origin, fault);
            None
        }
    }
}

/// An empty value is nearly always a mistake, so it is refused.
fn check_filled(given: &SettingValue, values: &mut Values) -> bool {
    let filled = !given.value.expose_secret().trim().is_empty();
    if !filled {
        values.fault(&given.origin, "is empty; give it a value or remove it");
    }
    filled
}

fn warning(name: &str) -> String {
    let known: Vec<String> =
        settings::all().map(Setting::variable).chain([FILE_VARIABLE.to_owned()]).collect();
    match suggestion(name, known.iter().map(String::as_str)) {
        Some(near) => format!("the variable {name} is unknown and ignored; did you mean {near}?"),
        None => format!("the variable {name} is unknown and ignored"),
    }
}
