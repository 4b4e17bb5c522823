//! The limits of requests and of storage, and the times of dependable writes.

use std::time::Duration;

/// Limits and times. `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests per second of one API key or token subject.
    pub key_rate: Option<u32>,
    /// Requests that a key may send in a burst after a pause.
    pub key_burst: u32,
    /// Concurrent requests of one tenant.
    pub tenant_in_flight: Option<u32>,
    /// Concurrent requests on one credential.
    pub credential_in_flight: Option<u32>,
    /// Requests on one credential that may wait for a permit.
    pub credential_waiting: u32,
    /// Concurrent requests of the whole process.
    pub in_flight: Option<u32>,
    /// MiB of CRM replies and of responses of one tenant in memory.
    pub tenant_in_flight_mib: u32,
    /// MiB of CRM replies and of responses of the whole process in memory.
    pub in_flight_mib: u32,
    /// The time between the two lookups that prove a create absent.
    pub settle: Duration,
    /// How long a write under an `Idempotency-Key` stays with a process that does not renew its lease.
    pub lease: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_rate: Some(50),
            key_burst: 100,
            tenant_in_flight: Some(64),
            credential_in_flight: Some(16),
            credential_waiting: 32,
            in_flight: Some(512),
            tenant_in_flight_mib: 64,
            in_flight_mib: 256,
            settle: Duration::from_secs(5),
            lease: Duration::from_secs(30),
        }
    }
}

/// How much one tenant may store. `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Stored writes under an `Idempotency-Key`.
    pub ledger_rows: Option<u64>,
    /// The bytes that these writes count for.
    pub ledger_bytes: Option<u64>,
    pub credentials: Option<u64>,
    pub api_keys: Option<u64>,
    /// Audit records; beyond the limit the oldest are erased.
    pub audit_records: Option<u64>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            ledger_rows: Some(1_000_000),
            ledger_bytes: Some(1 << 30),
            credentials: Some(1_000),
            api_keys: Some(1_000),
            audit_records: Some(10_000_000),
        }
    }
}

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
    /// The table and its file, for error messages.
    pub origin: String,
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
