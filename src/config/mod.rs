//! The only reader of configuration. Precedence: flags, environment, file. Secrets may have files of their own.

mod cors_origins;
mod crash;
mod example;
mod fault;
mod file;
mod file_table;
mod jwt;
mod limits;
mod public_url;
mod schema;
mod setting;
mod settings;
mod small_file;
mod sources;
#[cfg(test)]
mod tests;
mod tls_files;
mod trusted_proxies;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::ExposeSecret;

use self::file::FileTables;
use crate::domain::string_enum;
pub use cors_origins::CorsOrigins;
pub use crash::crash_point;
pub use example::example;
pub use fault::{ConfigError, ConfigFault, SettingOrigin};
pub use jwt::{JWT_KEYS, JwtAlgorithm, JwtIssuer, JwtKeys};
pub use limits::{CallRates, ProviderLimits, RATE_KEYS, UpstreamLimits};
pub use public_url::PublicUrl;
pub use schema::schema;
pub use setting::{Setting, SettingSection, ValueKind};
pub use settings::{Limits, LogSettings, Quotas, SECTIONS, ServerSettings, StorageSettings, TraceSettings};
pub use sources::{SettingValue, allows_colours, api_key, environment, span_queue};
pub use tls_files::{TlsFiles, TlsPem};
pub use trusted_proxies::TrustedProxies;
pub use values::{AdminToken, CollectorUrl};

/// The flags of the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub file: Option<PathBuf>,
    /// Settings by key, without secrets.
    pub values: Vec<(&'static str, String)>,
}

/// The configuration. Other modules parse master key, database URL and allow-list.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: ServerSettings,
    pub storage: StorageSettings,
    pub log: LogSettings,
    pub traces: TraceSettings,
    pub limits: Limits,
    pub quotas: Quotas,
    /// Issuers whose tokens are accepted.
    pub issuers: Vec<JwtIssuer>,
    /// Rate limits of calls to CRMs, in place of those that the CRMs publish.
    pub upstream_limits: UpstreamLimits,
    /// Problems that are not errors, such as unknown variables.
    pub warnings: Vec<String>,
    /// The settings that a source gives.
    given: BTreeMap<&'static str, SettingValue>,
}

/// A configuration as it is, with everything that is wrong with it.
pub struct InspectedConfig {
    /// A setting that is not valid has its default.
    pub config: Config,
    pub faults: Vec<ConfigFault>,
    /// Whether settings may be missing only because the file could not be read.
    pub is_partial: bool,
}

string_enum! {
    /// The format of the log.
    pub enum LogFormat {
        /// Text on a terminal; otherwise a server logs JSON.
        Auto = "auto",
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

string_enum! {
    /// Which successful requests are logged. Failures always are.
    pub enum LoggedSuccesses {
        All = "all",
        Sampled = "sampled",
        Off = "off",
    }
}

impl LoggedSuccesses {
    /// Of so many successes one is logged; of 0, none.
    #[must_use]
    pub const fn one_of(self) -> u64 {
        match self {
            Self::All => 1,
            Self::Sampled => 100,
            Self::Off => 0,
        }
    }
}

impl Config {
    /// Reads the flags, this process's environment, and the file that one of them names.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::inspect(flags, environment()).valid()
    }

    /// The same from a given environment.
    pub fn read(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::inspect(flags, environment).valid()
    }

    /// Reads everything, valid or not.
    pub fn inspect(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> InspectedConfig {
        let sources::Collected { mut values, tables, warnings } = sources::collect(flags, environment);
        let FileTables { issuers, upstream_limits, is_broken } = tables;
        let config = Self {
            server: ServerSettings::read(&mut values),
            storage: StorageSettings::read(&mut values),
            log: LogSettings::read(&mut values),
            traces: TraceSettings::read(&mut values),
            limits: Limits::read(&mut values),
            quotas: Quotas::read(&mut values),
            issuers,
            upstream_limits,
            warnings,
            given: values.given,
        };
        InspectedConfig { config, faults: values.faults, is_partial: is_broken }
    }

    /// Every setting with its value and origin.
    pub fn values(&self) -> impl Iterator<Item = (&'static Setting, Option<SettingValue>)> {
        settings::all().map(|setting| {
            let default = || {
                let value = setting.default?.into();
                Some(SettingValue { value, origin: SettingOrigin::Default })
            };
            (setting, self.given.get(setting.key).cloned().or_else(default))
        })
    }

    /// Takes over those values of `new` that are reloaded. Returns their names, and the names of others that differ.
    pub fn adopt(&mut self, new: &Self) -> (Vec<&'static str>, Vec<&'static str>) {
        let (mut applied, mut pending) = (Vec::new(), Vec::new());
        for ((setting, old), (_, given)) in self.values().zip(new.values()).collect::<Vec<_>>() {
            let text = |value: &Option<SettingValue>| {
                value.as_ref().map(|given| given.value.expose_secret().to_owned())
            };
            match (text(&old) == text(&given), setting.is_reloaded) {
                (true, _) => {}
                (false, false) => pending.push(setting.key),
                (false, true) => {
                    applied.push(setting.key);
                    match new.given.get(setting.key) {
                        Some(given) => self.given.insert(setting.key, given.clone()),
                        None => self.given.remove(setting.key),
                    };
                }
            }
        }
        let is_same = self.issuers.len() == new.issuers.len()
            && self.issuers.iter().zip(&new.issuers).all(|(old, new)| old.is_same(new));
        pending.extend((!is_same).then_some("auth.jwt"));
        let rates = |limits: &UpstreamLimits| -> Vec<(String, CallRates)> {
            limits.0.iter().map(|limits| (limits.provider.clone(), limits.rates)).collect()
        };
        pending.extend(
            (rates(&self.upstream_limits) != rates(&new.upstream_limits)).then_some("limits.upstream"),
        );
        (applied, pending)
    }

    /// Where the value of a setting came from, for error messages.
    #[must_use]
    pub fn origin(&self, key: &str) -> SettingOrigin {
        let given = self.given.get(key).map(|given| given.origin.clone());
        given.unwrap_or_else(|| SettingOrigin::Nowhere(format!("GATEWAY_{}", key.to_uppercase())))
    }
}

impl InspectedConfig {
    /// The configuration, if nothing is wrong with it.
    fn valid(self) -> Result<Config, ConfigError> {
        ConfigError::of(self.faults).map(|()| self.config)
    }
}
