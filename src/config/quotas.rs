//! The quotas of a tenant: how much it may store.

/// Limits per tenant. `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Writes under an `Idempotency-Key` that are kept.
    pub ledger_rows: Option<u64>,
    /// The bytes that these writes count for.
    pub ledger_bytes: Option<u64>,
    /// The number of credentials.
    pub credentials: Option<u64>,
    /// The number of API keys.
    pub api_keys: Option<u64>,
    /// Audit records; beyond that the oldest are erased.
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
