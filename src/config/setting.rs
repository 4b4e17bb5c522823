//! What is declared of a setting: its name, kind, default and meaning. The reader, `--help`, the example file, the JSON Schema and
//! the guide are made from it.

use std::borrow::Cow;

use crate::domain::suggestion;

/// A setting, or a key of a table in the file.
#[derive(Debug)]
pub struct Setting {
    /// The name in the file.
    pub key: &'static str,
    pub kind: ValueKind,
    /// The value if none is given.
    pub default: Option<&'static str>,
    /// A value for the example file, where the default shows nothing.
    pub example: Option<&'static str>,
    /// The name of its value in `--help`; without one it has no flag.
    pub flag: Option<&'static str>,
    /// Whether SIGHUP applies a change.
    pub is_reloaded: bool,
    /// Whether its table must have it.
    pub is_required: bool,
    doc: &'static str,
}

/// Which values a setting may have. Rules beyond that are in the type of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// An IP address and a port.
    Address,
    Text,
    /// The path of a file.
    Path,
    Url,
    /// The URL of a database, which may contain a password.
    Database,
    Secret,
    /// Several secrets: between commas, as a list, or one per line in a file of their own.
    Secrets,
    Word(&'static [&'static str]),
    /// A list of such words, which is not empty.
    Words(&'static [&'static str]),
    /// Texts between commas, or a list.
    List,
    /// A list of web origins.
    Origins,
    /// A whole number, and what 0 means.
    Whole {
        least: u64,
        most: u64,
        zero: &'static str,
        unit: &'static str,
    },
}

/// Settings that belong together.
pub struct SettingSection {
    pub title: &'static str,
    pub settings: &'static [Setting],
}

/// A setting of `kind`. The macro `settings` adds its name.
pub(super) const fn setting(kind: ValueKind) -> Setting {
    Setting {
        key: "",
        kind,
        default: None,
        example: None,
        flag: None,
        is_reloaded: false,
        is_required: false,
        doc: "",
    }
}

/// A whole number.
pub(super) const fn whole(least: u64, most: u64) -> Setting {
    setting(ValueKind::Whole { least, most, zero: "", unit: "" })
}

/// A whole number whose 0 means `zero`.
pub(super) const fn whole_or(zero: &'static str, most: u64) -> Setting {
    setting(ValueKind::Whole { least: 0, most, zero, unit: "" })
}

/// A whole number of `unit`.
pub(super) const fn whole_of(unit: &'static str, least: u64, most: u64) -> Setting {
    setting(ValueKind::Whole { least, most, zero: "", unit })
}

impl Setting {
    pub(super) const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    pub(super) const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    pub(super) const fn flag(self, value_name: &'static str) -> Self {
        Self { flag: Some(value_name), ..self }
    }

    pub(super) const fn reloaded(self) -> Self {
        Self { is_reloaded: true, ..self }
    }

    pub(super) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    pub(super) const fn named(self, key: &'static str, doc: &'static str) -> Self {
        Self { key, doc, ..self }
    }

    /// What it does, in Markdown.
    #[must_use]
    pub fn doc(&self) -> String {
        self.doc.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("GATEWAY_{}", self.key.to_uppercase())
    }

    /// Whether it may have a file of its own.
    #[must_use]
    pub const fn may_have_file(&self) -> bool {
        matches!(self.kind, ValueKind::Database | ValueKind::Secret | ValueKind::Secrets)
    }

    /// Checks what the kind alone decides. Fails with what is wrong with the text.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        match self.kind {
            ValueKind::Whole { least, most, .. } => {
                let number = text.parse().ok().filter(|number| (least..=most).contains(number));
                number.map(|_: u64| ()).ok_or_else(|| self.wrong_kind())
            }
            ValueKind::Word(words) if !words.contains(&text) => {
                let near = suggestion(text, words.iter().copied());
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                Err(format!("must be one of: {}{near}", words.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// The fault of a value of another kind.
    pub(super) fn wrong_kind(&self) -> String {
        match self.kind {
            ValueKind::Whole { least, most, zero, unit } => {
                let unit = if unit.is_empty() { String::new() } else { format!(" of {unit}") };
                let zero = if zero.is_empty() { String::new() } else { format!(" ({zero})") };
                format!("must be a whole number{unit} from {least}{zero} to {most}")
            }
            ValueKind::List | ValueKind::Origins | ValueKind::Secrets => {
                "must be a string in quotes, or a list of such strings".to_owned()
            }
            ValueKind::Words(words) => format!("must be a list, such as [\"{}\"]", words[0]),
            _ => "must be a string in quotes".to_owned(),
        }
    }
}

/// The fault of a key that is not among `known`.
pub(super) fn unknown_key(name: &str, known: impl Iterator<Item = Cow<'static, str>>) -> String {
    let known: Vec<_> = known.collect();
    let shown = shown_key(name);
    match suggestion(name, known.iter().map(AsRef::as_ref)) {
        Some(near) => format!("{shown} is not a setting; did you mean `{near}`?"),
        None if known.len() > 12 => {
            format!("{shown} is not a setting; `contacts-gateway config example` shows all of them")
        }
        None => format!("{shown} is not a setting; the settings are {}", known.join(", ")),
    }
}

/// A key of the file as it may be shown. A key that needs quotes is not shown, because it may be a secret.
pub(super) fn shown_key(name: &str) -> String {
    let bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { format!("`{name}`") } else { "a key in quotes".to_owned() }
}

/// Declares the settings of a section, and the struct that holds their values. The doc comment of a field is the text for
/// operators; what is behind `=` says which values it may have. The name of the setting is that of the field, or behind `as`.
macro_rules! settings {
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (
        $(#[$meta:meta])*
        pub struct $name:ident in $title:literal {
            $($(#[doc = $doc:literal])+ $field:ident $(as $key:literal)?: $type:ty = $setting:expr,)+
        }
    ) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl $name {
            pub(super) const SECTION: $crate::config::SettingSection = $crate::config::SettingSection {
                title: $title,
                settings: &[$($setting.named(settings!(@key $field $($key)?), concat!($($doc),+))),+],
            };

            /// The values of all sources; one that is not valid has its default.
            pub(super) fn read(values: &mut $crate::config::sources::Values) -> Self {
                Self { $($field: values.take(&Self::SECTION, settings!(@key $field $($key)?)),)+ }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::read(&mut $crate::config::sources::Values::default())
            }
        }
    };
}
pub(super) use settings;
