//! The only reader of configuration. Precedence: flags, environment, file. Secrets may have files of their own.

mod crash;
mod file;
mod jwt;
mod limits;
mod public_url;
mod settings;
mod small_file;
mod sources;
#[cfg(test)]
mod tests;
mod trusted_proxies;
mod upstream_limits;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tracing::level_filters::LevelFilter;

use crate::domain::string_enum;
pub use crash::crash_point;
pub use jwt::{JwtAlgorithm, JwtIssuer, JwtKeys};
pub use limits::{CallRates, Limits, ProviderLimits, Quotas, UpstreamLimits};
pub use public_url::PublicUrl;
pub use settings::{SETTINGS, Sensitivity, Setting};
pub use sources::{SettingValue, api_key};
pub use trusted_proxies::TrustedProxies;
pub use upstream_limits::{KEYS as RATE_KEYS, RateKey};

/// The flags of the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub file: Option<PathBuf>,
    /// Settings by key, without secrets.
    pub values: Vec<(&'static str, String)>,
}

/// Everything that is wrong with the configuration, one sentence each, without values of secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// The configuration. Other modules parse master key, database URL and allow-list.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// The URL at which callers reach the gateway.
    pub public_url: Option<PublicUrl>,
    /// The address of a second listener, for health checks and metrics.
    pub ops_listen: Option<SocketAddr>,
    /// It may contain a password.
    pub database_url: SecretString,
    pub master_key: Option<SecretString>,
    pub previous_master_keys: Vec<SecretString>,
    /// The operator's token: at least 16 visible characters.
    pub admin_token: Option<SecretString>,
    /// Private hosts and networks that base URLs may reach.
    pub upstream_allow: String,
    /// Issuers whose tokens are accepted.
    pub issuers: Vec<JwtIssuer>,
    /// How many days audit records are kept; `None` is forever.
    pub audit_retention_days: Option<u32>,
    pub limits: Limits,
    /// Rate limits of calls to CRMs, in place of those that the CRMs publish.
    pub upstream_limits: UpstreamLimits,
    pub quotas: Quotas,
    pub log: LevelFilter,
    pub log_format: LogFormat,
    /// Which successful requests are logged.
    pub log_success: LoggedSuccesses,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// Problems that are not errors, such as unknown variables.
    pub warnings: Vec<String>,
    /// Every setting with its value and origin.
    pub given: Vec<(&'static Setting, Option<SettingValue>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal; otherwise a server logs JSON.
    Auto,
    Text,
    /// One JSON object per line.
    Json,
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
        Self::read(flags, sources::environment())
    }

    /// The same from a given environment.
    pub fn read(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let found = sources::collect(flags, environment);
        let (mut faults, given) = (found.faults, found.given);
        let value = |key: &str| {
            let found = given.iter().find(|(setting, _)| setting.key == key);
            found.and_then(|(_, given)| given.clone())
        };
        let config = Self {
            listen: parsed(value("listen"), &mut faults, listen).unwrap_or(([127, 0, 0, 1], 8080).into()),
            ops_listen: parsed(value("ops_listen"), &mut faults, listen),
            public_url: parsed(value("public_url"), &mut faults, PublicUrl::parse),
            database_url: value("database_url").map(|given| given.value).unwrap_or_default(),
            master_key: value("master_key").map(|given| given.value),
            previous_master_keys: parsed(value("previous_master_keys"), &mut faults, |text| {
                Ok(several(text))
            })
            .unwrap_or_default(),
            admin_token: parsed(value("admin_token"), &mut faults, admin_token),
            upstream_allow: parsed(value("upstream_allow"), &mut faults, |text| Ok(text.to_owned()))
                .unwrap_or_default(),
            issuers: found.issuers,
            audit_retention_days: parsed(value("audit_retention_days"), &mut faults, days).flatten(),
            limits: limits(&value, &mut faults),
            upstream_limits: found.upstream_limits,
            quotas: quotas(&value, &mut faults),
            log: parsed(value("log"), &mut faults, level).unwrap_or(LevelFilter::INFO),
            log_format: parsed(value("log_format"), &mut faults, format).unwrap_or(LogFormat::Auto),
            log_success: parsed(value("log_success"), &mut faults, successes).unwrap_or(LoggedSuccesses::All),
            trusted_proxies: parsed(value("trusted_proxies"), &mut faults, TrustedProxies::parse)
                .unwrap_or_default(),
            warnings: found.warnings,
            given,
        };
        if faults.is_empty() { Ok(config) } else { Err(ConfigError(faults)) }
    }

    /// Where the value of a setting came from, for error messages.
    #[must_use]
    pub fn origin(&self, key: &str) -> String {
        let found = self.given.iter().find(|(setting, _)| setting.key == key);
        match found {
            Some((_, Some(given))) => given.origin.clone(),
            Some((setting, None)) => setting.variable.to_owned(),
            None => key.to_owned(),
        }
    }
}

fn parsed<T>(
    given: Option<SettingValue>,
    faults: &mut Vec<String>,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Option<T> {
    let given = given?;
    parse(given.value.expose_secret()).map_err(|fault| faults.push(format!("{} {fault}", given.origin))).ok()
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080")
}

fn admin_token(text: &str) -> Result<SecretString, &'static str> {
    if text.len() < 16 {
        return Err("must have at least 16 characters; `openssl rand -hex 32` makes a suitable one");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "must contain only visible ASCII characters, without spaces, because it is sent in a header",
        );
    }
    if text.starts_with("cg_") {
        return Err("must not begin with cg_, like the API keys of tenants");
    }
    Ok(text.into())
}

fn successes(text: &str) -> Result<LoggedSuccesses, &'static str> {
    LoggedSuccesses::parse(text).ok_or("must be one of: all, sampled, off")
}

/// The secrets between commas. An empty one is kept, so that its parser reports it.
fn several(text: &str) -> Vec<SecretString> {
    text.split(',').map(|one| SecretString::from(one.trim())).collect()
}

fn days(text: &str) -> Result<Option<u32>, &'static str> {
    const MOST: u32 = 36_500;
    let days = text.parse().ok().filter(|days| *days <= MOST);
    let days = days.ok_or("must be a whole number of days from 0 (forever) to 36500")?;
    Ok(Some(days).filter(|days| *days > 0))
}

fn limits(value: &impl Fn(&str) -> Option<SettingValue>, faults: &mut Vec<String>) -> Limits {
    let usual = Limits::default();
    let mut number = |key: &str| parsed(value(key), faults, count);
    let key_rate = number("key_rate").map_or(usual.key_rate, bound);
    let key_burst = number("key_burst").unwrap_or(usual.key_burst);
    let tenant_in_flight = number("tenant_in_flight").map_or(usual.tenant_in_flight, bound);
    let credential_in_flight = number("credential_in_flight").map_or(usual.credential_in_flight, bound);
    let credential_waiting = number("credential_waiting").unwrap_or(usual.credential_waiting);
    let in_flight = number("in_flight").map_or(usual.in_flight, bound);
    let mut mib = |key: &str| parsed(value(key), faults, mib);
    let tenant_in_flight_mib = mib("tenant_in_flight_mib").unwrap_or(usual.tenant_in_flight_mib);
    let in_flight_mib = mib("in_flight_mib").unwrap_or(usual.in_flight_mib);
    let settle = parsed(value("settle_ms"), faults, |text| millis(text, 1, 60_000)).unwrap_or(usual.settle);
    let lease = parsed(value("lease_ms"), faults, |text| millis(text, 1_000, 300_000)).unwrap_or(usual.lease);
    Limits {
        key_rate,
        key_burst,
        tenant_in_flight,
        credential_in_flight,
        credential_waiting,
        in_flight,
        tenant_in_flight_mib,
        in_flight_mib,
        settle,
        lease,
    }
}

fn quotas(value: &impl Fn(&str) -> Option<SettingValue>, faults: &mut Vec<String>) -> Quotas {
    let usual = Quotas::default();
    let mut quota = |key: &str, usual: Option<u64>| parsed(value(key), faults, quota).unwrap_or(usual);
    Quotas {
        ledger_rows: quota("tenant_ledger_rows", usual.ledger_rows),
        ledger_bytes: quota("tenant_ledger_bytes", usual.ledger_bytes),
        credentials: quota("tenant_credentials", usual.credentials),
        api_keys: quota("tenant_api_keys", usual.api_keys),
        audit_records: quota("tenant_audit_records", usual.audit_records),
    }
}

/// 0 is unlimited.
fn quota(text: &str) -> Result<Option<u64>, &'static str> {
    const MOST: u64 = 1 << 50;
    let number = text.parse().ok().filter(|number| *number <= MOST);
    let number = number.ok_or("must be a whole number from 0 (unlimited) to 1125899906842624")?;
    Ok(Some(number).filter(|number| *number > 0))
}

/// 0 is unlimited.
fn bound(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number > 0)
}

/// The largest response must fit into half of it.
fn mib(text: &str) -> Result<u32, &'static str> {
    let number = text.parse().ok().filter(|number| (16..=1_000_000).contains(number));
    number.ok_or("must be a whole number of MiB from 16 to 1000000")
}

fn count(text: &str) -> Result<u32, &'static str> {
    const MOST: u32 = 1_000_000;
    let number = text.parse().ok().filter(|number| *number <= MOST);
    number.ok_or("must be a whole number from 0 (unlimited) to 1000000")
}

fn millis(text: &str, least: u64, most: u64) -> Result<Duration, &'static str> {
    let millis = text.parse().ok().filter(|millis| (least..=most).contains(millis));
    let wrong = if least == 1 {
        "must be a whole number of milliseconds from 1 to 60000"
    } else {
        "must be a whole number of milliseconds from 1000 to 300000"
    };
    millis.map(Duration::from_millis).ok_or(wrong)
}

pub(crate) fn level(text: &str) -> Result<LevelFilter, &'static str> {
    match text {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err("must be one of: off, error, warn, info, debug, trace"),
    }
}

pub(crate) fn format(text: &str) -> Result<LogFormat, &'static str> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be one of: auto, text, json"),
    }
}
