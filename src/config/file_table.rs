//! A table of the TOML file while it is read, with the line of each key.

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::fault::{ConfigFault, SettingOrigin};
use super::setting::shown_key;

/// A key of the file, its line and its value.
pub(super) struct FileKey<'t> {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) value: DeValue<'t>,
}

/// A table of the file while it is read.
pub(super) struct FileTable<'t> {
    /// As the faults show it; empty for the file itself.
    name: String,
    line: usize,
    pub(super) source: FileSource<'t>,
    keys: Vec<FileKey<'t>>,
}

/// The file as faults show it, and its text.
#[derive(Clone)]
pub(super) struct FileSource<'t> {
    pub(super) shown: Arc<str>,
    pub(super) text: &'t str,
}

impl FileSource<'_> {
    /// The line of the byte `at`.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
    }
}

impl<'t> FileTable<'t> {
    pub(super) fn of(table: DeTable<'t>, name: String, line: usize, source: FileSource<'t>) -> Self {
        let keys = table.into_iter().map(|(key, value)| {
            let line = source.line(key.span().start);
            FileKey { name: key.into_inner().into_owned(), line, value: value.into_inner() }
        });
        Self { name, line, keys: keys.collect(), source }
    }

    /// The table that is the value of `key`; `None` if the value is none.
    pub(super) fn inside(&self, key: FileKey<'t>, name: String) -> Option<Self> {
        let FileKey { name: _, line, value } = key;
        match value {
            DeValue::Table(table) => Some(Self::of(table, name, line, self.source.clone())),
            _ => None,
        }
    }

    /// The tables of the array that is the value of `key`; `None` if the value is none.
    pub(super) fn each_inside(&self, key: FileKey<'t>, name: &str) -> Option<Vec<Self>> {
        let DeValue::Array(tables) = key.value else { return None };
        let each = tables.into_iter().enumerate().map(|(index, table)| {
            let name = format!("{name} number {}", index + 1);
            let line = self.source.line(table.span().start);
            self.inside(FileKey { name: String::new(), line, value: table.into_inner() }, name)
        });
        each.collect()
    }

    /// The table that is the value of `key`, and the value of its only key `inner`; `written` says how that is written. What
    /// else the table has is a fault.
    pub(super) fn with_only(
        &self,
        key: FileKey<'t>,
        inner: &str,
        written: &str,
        faults: &mut Vec<ConfigFault>,
    ) -> Option<(Self, FileKey<'t>)> {
        let (name, line) = (key.name.clone(), key.line);
        let Some(mut table) = self.inside(key, String::new()) else {
            faults.push(self.fault(line, format!("`{name}` must be a table; {written}")));
            return None;
        };
        let found = table.take(inner);
        for key in table.rest() {
            let other = shown_key(&key.name);
            let text = format!("{other} is not a setting in `{name}`; the only one is `{name}.{inner}`");
            faults.push(self.fault(key.line, text));
        }
        Some((table, found?))
    }

    /// Removes the key from the table.
    pub(super) fn take(&mut self, name: &str) -> Option<FileKey<'t>> {
        let at = self.keys.iter().position(|key| key.name == name)?;
        Some(self.keys.remove(at))
    }

    /// The keys that are left.
    pub(super) fn rest(&mut self) -> Vec<FileKey<'t>> {
        std::mem::take(&mut self.keys)
    }

    pub(super) fn origin(&self) -> SettingOrigin {
        SettingOrigin::Line { file: self.source.shown.clone(), line: self.line, key: self.name.clone() }
    }

    /// A fault in this table, at one of its lines.
    pub(super) fn fault(&self, line: usize, text: impl Into<String>) -> ConfigFault {
        let origin = SettingOrigin::Line { file: self.source.shown.clone(), line, key: self.name.clone() };
        ConfigFault { origin, text: text.into() }
    }
}

/// The number in decimal digits.
pub(super) fn whole(number: &toml::de::DeInteger<'_>) -> Option<String> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
}
