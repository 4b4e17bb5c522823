//! The TOML file, and the small files that contain one secret each.

use std::io::Read;
use std::path::Path;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::jwt::{self, JwtIssuer};
use super::settings::{SETTINGS, Sensitivity, Setting, nearest, shown_key};

/// The largest configuration or secret file that is read.
const LARGEST: u64 = 64 * 1024;
/// The largest key set. A hundred keys of the longest kind fit.
const LARGEST_KEY_SET: u64 = 1024 * 1024;

/// One setting in the file: the setting, whether its key is `…_file`, and its text.
pub(super) type FileEntry = (&'static Setting, bool, SecretString);

/// The settings and issuers in the TOML file at `path`. Invalid ones are left out and added to `faults`.
pub(super) fn read(path: &Path, faults: &mut Vec<String>) -> (Vec<FileEntry>, Vec<JwtIssuer>) {
    let shown = if path.exists() { path.display().to_string() } else { named(path) };
    let text = match text(path, LARGEST) {
        Ok(text) => text,
        Err(reason) => {
            faults.push(format!("the configuration file {shown} cannot be read: {reason}"));
            return (Vec::new(), Vec::new());
        }
    };
    // The parser's own message quotes the line, which may contain a secret.
    let mut table: toml::Table = match toml::from_str(&text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            faults.push(format!(
                "the configuration file {shown} is not valid TOML at line {line}: {}",
                error.message()
            ));
            return (Vec::new(), Vec::new());
        }
    };
    let auth = table.remove("auth");
    let issuers = auth.map(|auth| jwt::read(auth, &shown, faults)).unwrap_or_default();
    let entries = table.into_iter().filter_map(|(name, value)| {
        entry(&name, value).map_err(|fault| faults.push(format!("{shown}: {fault}"))).ok()
    });
    (entries.collect(), issuers)
}

fn entry(name: &str, value: toml::Value) -> Result<FileEntry, String> {
    let (setting, is_path) = known(name).ok_or_else(|| {
        let names = SETTINGS.iter().map(|setting| setting.key);
        let shown = shown_key(name);
        match nearest(name, names.chain(["auth"])) {
            Some(near) => format!("{shown} is not a setting; did you mean `{near}`?"),
            None => format!("{shown} is not a setting; `contacts-gateway check-config` lists them"),
        }
    })?;
    let text = match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Array(parts)
            if setting.key == "upstream_allow" || setting.exposure == Sensitivity::Secrets =>
        {
            let parts: Option<Vec<&str>> = parts.iter().map(toml::Value::as_str).collect();
            parts.map(|parts| parts.join(","))
        }
        toml::Value::Integer(number) if setting.is_number() => Some(number.to_string()),
        _ => None,
    };
    let text = text.ok_or_else(|| format!("`{name}` must be a string in quotes"))?;
    Ok((setting, is_path, text.into()))
}

fn known(name: &str) -> Option<(&'static Setting, bool)> {
    SETTINGS.iter().find_map(|setting| {
        let is_path = setting.from_file() && name.strip_suffix("_file") == Some(setting.key);
        (is_path || setting.key == name).then_some((setting, is_path))
    })
}

/// The secret in the file at `path`, without the line break at its end.
pub(super) fn secret(path: &Path) -> Result<SecretString, String> {
    let text = filled(path)?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.contains(['\n', '\r']) {
        return Err(format!("names {}, which has more than one line", path.display()));
    }
    Ok(secret.into())
}

/// The secrets in the file at `path`, one per line, joined by commas.
pub(super) fn secrets(path: &Path) -> Result<SecretString, String> {
    let text = filled(path)?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(lines.join(",").into())
}

fn filled(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = text(path, LARGEST).map_err(|reason| {
        // The path may be the secret itself, written here by mistake.
        let named = if path.exists() { path.display().to_string() } else { "a file".to_owned() };
        format!(
            "names {named}, which cannot be read: {reason}; it must be the path of a file that contains the secret"
        )
    })?;
    if text.trim().is_empty() { Err(format!("names {}, which is empty", path.display())) } else { Ok(text) }
}

/// The text of a path that does not exist, unless it looks like a URL, which may contain a password.
pub(super) fn named(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains("://") || text.contains('@') { "(not shown)".to_owned() } else { text }
}

/// The key set in the file at `path`. Its keys are public.
pub(super) fn key_set(path: &Path) -> Result<String, String> {
    text(path, LARGEST_KEY_SET).map(|text| text.to_string())
}

fn text(path: &Path, largest: u64) -> Result<Zeroizing<String>, String> {
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(largest + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(read).unwrap_or(u64::MAX) > largest {
        return Err(format!("it is larger than {} KiB", largest / 1024));
    }
    Ok(text)
}
