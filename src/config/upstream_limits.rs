//! The tables `[limits.upstream."<provider>"]` of the file: the operator's rate limits of calls to a CRM.

use super::limits::{CallRates, ProviderLimits, UpstreamLimits};
use super::settings::{shown_key, unknown_key};

const MOST: u32 = 1_000_000;
const TABLE: &str = "[limits.upstream.\"<provider>\"]";

/// A key of the tables, and what it does.
pub struct RateKey {
    pub name: &'static str,
    pub doc: &'static str,
    set: fn(&mut CallRates, u32),
}

pub const KEYS: [RateKey; 2] = [
    RateKey {
        name: "per_minute",
        doc: "Calls per minute to this CRM, per credential or group; 0 is unlimited.",
        set: |rates, calls| rates.per_minute = Some(calls),
    },
    RateKey {
        name: "per_second",
        doc: "The same per second.",
        set: |rates, calls| rates.per_second = Some(calls),
    },
];

/// The limits in the table `[limits]` of the file `shown`. Invalid ones are left out and added to `faults`.
pub(super) fn read(limits: toml::Value, shown: &str, faults: &mut Vec<String>) -> UpstreamLimits {
    let mut found = UpstreamLimits::default();
    let toml::Value::Table(limits) = limits else {
        faults.push(format!("{shown}: `limits` must be a table; rate limits are written as {TABLE}"));
        return found;
    };
    for (name, value) in limits {
        match (name.as_str(), value) {
            ("upstream", toml::Value::Table(providers)) => {
                found.0.extend(
                    providers.into_iter().filter_map(|(name, value)| one(name, value, shown, faults)),
                );
            }
            ("upstream", _) => {
                faults.push(format!("{shown}: `limits.upstream` must be a table; write {TABLE}"));
            }
            (name, _) => faults.push(format!(
                "{shown}: {} is not a setting in `limits`; the only one is `limits.upstream`",
                shown_key(name)
            )),
        }
    }
    found
}

/// The table of one provider. Whether the provider exists is checked by whoever knows the adapters.
fn one(
    provider: String,
    value: toml::Value,
    shown: &str,
    faults: &mut Vec<String>,
) -> Option<ProviderLimits> {
    let origin = format!("[limits.upstream.{}] in {shown}", shown_key(&provider).replace('`', "\""));
    let toml::Value::Table(table) = value else {
        faults.push(format!("{origin} is not a table"));
        return None;
    };
    let mut rates = CallRates::default();
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            faults.push(unknown_key(&origin, &name, &KEYS.map(|key| key.name)));
            continue;
        };
        let calls = value.as_integer().and_then(|calls| u32::try_from(calls).ok());
        if let Some(calls) = calls.filter(|calls| *calls <= MOST) {
            (key.set)(&mut rates, calls);
        } else {
            faults.push(format!("{origin}: `{name}` must be a whole number from 0 (unlimited) to {MOST}"));
        }
    }
    Some(ProviderLimits { provider, rates, origin })
}
