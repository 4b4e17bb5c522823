//! The TOML file.

use std::path::Path;

use secrecy::SecretString;

use super::jwt::{self, JwtIssuer};
use super::limits::UpstreamLimits;
use super::settings::{SETTINGS, Sensitivity, Setting, shown_key};
use super::small_file::{LARGEST, named, text};
use super::upstream_limits;
use crate::domain::nearest;

/// One setting in the file: the setting, whether its key is `…_file`, and its text.
pub(super) type FileEntry = (&'static Setting, bool, SecretString);

/// The tables of the file, which no flag or variable replaces.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) issuers: Vec<JwtIssuer>,
    pub(super) upstream_limits: UpstreamLimits,
}

/// The settings and tables in the TOML file at `path`. Invalid ones are left out and added to `faults`.
pub(super) fn read(path: &Path, faults: &mut Vec<String>) -> (Vec<FileEntry>, Tables) {
    let shown = if path.exists() { path.display().to_string() } else { named(path) };
    let text = match text(path, LARGEST) {
        Ok(text) => text,
        Err(reason) => {
            faults.push(format!("the configuration file {shown} cannot be read: {reason}"));
            return (Vec::new(), Tables::default());
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
            return (Vec::new(), Tables::default());
        }
    };
    let auth = table.remove("auth");
    let issuers = auth.map(|auth| jwt::read(auth, &shown, faults)).unwrap_or_default();
    let limits = table.remove("limits");
    let upstream_limits =
        limits.map(|limits| upstream_limits::read(limits, &shown, faults)).unwrap_or_default();
    let entries = table.into_iter().filter_map(|(name, value)| {
        entry(&name, value).map_err(|fault| faults.push(format!("{shown}: {fault}"))).ok()
    });
    (entries.collect(), Tables { issuers, upstream_limits })
}

fn entry(name: &str, value: toml::Value) -> Result<FileEntry, String> {
    let (setting, is_path) = known(name).ok_or_else(|| {
        let names = SETTINGS.iter().map(|setting| setting.key);
        let shown = shown_key(name);
        match nearest(name, names.chain(["auth", "limits"])) {
            Some(near) => format!("{shown} is not a setting; did you mean `{near}`?"),
            None => format!("{shown} is not a setting; `contacts-gateway check-config` lists them"),
        }
    })?;
    let text = match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Array(parts)
            if matches!(setting.key, "upstream_allow" | "trusted_proxies")
                || setting.exposure == Sensitivity::Secrets =>
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
