//! What is wrong with the configuration, and where.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

/// Where a value comes from, or where a fault is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingOrigin {
    /// No source gives the setting with this variable.
    Nowhere(String),
    /// Such as `--listen`.
    Flag(String),
    /// The environment variable.
    Variable(String),
    /// A line of the file.
    Line {
        file: Arc<str>,
        line: usize,
        key: String,
    },
    Default,
}

impl SettingOrigin {
    /// Whether it is a place of the setting with this variable.
    #[must_use]
    pub fn concerns(&self, variable: &str) -> bool {
        let name = match self {
            Self::Nowhere(name) | Self::Variable(name) => name.clone(),
            Self::Line { key: name, .. } => format!("GATEWAY_{}", name.to_uppercase()),
            // Whoever gives a flag gives a value.
            Self::Flag(_) | Self::Default => return false,
        };
        name.strip_suffix("_FILE").unwrap_or(&name) == variable
    }

    /// The place without the key.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Line { file, line, .. } => format!("{file}:{line}"),
            Self::Default => "default".to_owned(),
            Self::Nowhere(name) | Self::Flag(name) | Self::Variable(name) => name.clone(),
        }
    }
}

impl Display for SettingOrigin {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place())?;
        match self {
            Self::Line { key, .. } if !key.is_empty() => write!(formatter, ": {key}"),
            _ => Ok(()),
        }
    }
}

/// One fault, without the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{origin}: {text}")]
pub struct ConfigFault {
    pub origin: SettingOrigin,
    pub text: String,
}

impl ConfigFault {
    #[must_use]
    pub fn new(origin: &SettingOrigin, text: impl Into<String>) -> Self {
        Self { origin: origin.clone(), text: text.into() }
    }
}

/// Everything that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<ConfigFault>);

impl ConfigError {
    /// Fails with the faults, in the order of their places, if there are any.
    pub fn of(mut faults: Vec<ConfigFault>) -> Result<(), Self> {
        faults.sort();
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }
}
