//! The tables `[limits.upstream."<provider>"]` of the file: the operator's rate limits of calls to a CRM.

use toml::de::DeValue;

use super::fault::{ConfigFault, SettingOrigin};
use super::file_table::{FileKey, FileTable, whole};
use super::setting::{Setting, shown_key, unknown_key, whole_or};

const TABLE: &str = "[limits.upstream.\"<provider>\"]";

/// The keys of the tables. What is not given is left to the CRM.
pub const RATE_KEYS: [Setting; 2] = [
    whole_or("unlimited", 1_000_000)
        .example("600")
        .named("per_minute", "Calls per minute to this CRM, per credential or group; 0 is unlimited."),
    whole_or("unlimited", 1_000_000).example("50").named("per_second", "The same per second."),
];

/// How many calls to a CRM may start per minute and per second. `None` leaves a limit as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallRates {
    pub per_minute: Option<u32>,
    pub per_second: Option<u32>,
}

/// The operator's rate limits of calls to the CRM of a provider. 0 is unlimited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderLimits {
    pub provider: String,
    pub rates: CallRates,
    pub origin: SettingOrigin,
}

/// The operator's rate limits of calls to CRMs, by provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamLimits(pub Vec<ProviderLimits>);

impl UpstreamLimits {
    /// The rates of `provider`; without a table, none is set.
    #[must_use]
    pub fn of(&self, provider: &str) -> CallRates {
        let found = self.0.iter().find(|limits| limits.provider == provider);
        found.map(|limits| limits.rates).unwrap_or_default()
    }
}

impl ProviderLimits {
    /// The limits on one line.
    #[must_use]
    pub fn shown(&self) -> String {
        let one = |calls: Option<u32>, per: &str| match calls {
            None => format!("the CRM's own per {per}"),
            Some(0) => format!("unlimited per {per}"),
            Some(calls) => format!("{calls} per {per}"),
        };
        format!("{}, {}", one(self.rates.per_minute, "minute"), one(self.rates.per_second, "second"))
    }
}

/// The limits in the key `limits` of `file`. Invalid ones are left out and added to `faults`.
pub(super) fn read(
    file: &FileTable<'_>,
    limits: FileKey<'_>,
    faults: &mut Vec<ConfigFault>,
) -> UpstreamLimits {
    let mut found = UpstreamLimits::default();
    let written = format!("rate limits are written as {TABLE}");
    let Some((limits, upstream)) = file.with_only(limits, "upstream", &written, faults) else { return found };
    let line = upstream.line;
    match limits.inside(upstream, String::new()) {
        Some(mut providers) => found
            .0
            .extend(providers.rest().into_iter().filter_map(|provider| one(&providers, provider, faults))),
        None => faults.push(file.fault(line, format!("`limits.upstream` must be a table; write {TABLE}"))),
    }
    found
}

/// The table of one provider. Whether the provider exists is checked by whoever knows the adapters.
fn one(providers: &FileTable<'_>, key: FileKey<'_>, faults: &mut Vec<ConfigFault>) -> Option<ProviderLimits> {
    let (provider, line) = (key.name.clone(), key.line);
    let name = format!("[limits.upstream.{}]", shown_key(&provider).replace('`', "\""));
    let Some(mut table) = providers.inside(key, name.clone()) else {
        faults.push(providers.fault(line, format!("{name} is not a table")));
        return None;
    };
    let mut rates = CallRates::default();
    for FileKey { name, line, value } in table.rest() {
        let Some(setting) = RATE_KEYS.iter().find(|setting| setting.key == name) else {
            let known = RATE_KEYS.iter().map(|setting| setting.key.into());
            faults.push(table.fault(line, unknown_key(&name, known)));
            continue;
        };
        let calls = if let DeValue::Integer(number) = &value { whole(number) } else { None };
        let calls = calls.filter(|calls| setting.check(calls).is_ok()).and_then(|calls| calls.parse().ok());
        match (setting.key, calls) {
            (_, None) => faults.push(table.fault(line, format!("`{name}` {}", setting.wrong_kind()))),
            ("per_minute", calls) => rates.per_minute = calls,
            (_, calls) => rates.per_second = calls,
        }
    }
    Some(ProviderLimits { provider, rates, origin: table.origin() })
}
