//! How much each tenant has stored. Triggers in the database keep these counts, whichever statement writes.

use super::{Row, Sql, SqlValue};
use crate::config::Quotas;
use crate::domain::{Result, TenantId};
use crate::store::Usage;

#[derive(Clone, Copy)]
pub(super) enum UsageKind {
    Ledger,
    Credentials,
    Keys,
}

impl UsageKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Credentials => "credentials",
            Self::Keys => "keys",
        }
    }

    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Ledger => "writes under an Idempotency-Key",
            Self::Credentials => "credentials",
            Self::Keys => "API keys",
        }
    }
}

/// Touches the tenant's count if it is within the limits. It runs after the statement that adds a row, whose trigger has
/// locked the count. So no other process can add a row in between, and rows are always locked before counts.
pub(super) const ROOM: &str = "UPDATE tenant_usage SET row_count = row_count \
     WHERE tenant_id = $1 AND kind = $2 AND row_count <= $3 AND byte_count <= $4";

/// The values of [`ROOM`].
pub(super) fn room(
    tenant: &TenantId,
    kind: UsageKind,
    rows: Option<u64>,
    bytes: Option<u64>,
) -> [SqlValue<'_>; 4] {
    [tenant.as_str().into(), kind.as_str().into(), most(rows).into(), most(bytes).into()]
}

/// The limit as a database integer; unlimited is the largest.
pub(super) fn most(limit: Option<u64>) -> i64 {
    limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX)
}

impl Sql {
    pub(super) const fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// What the tenant has stored, and its quotas.
    pub(super) async fn usage_of(&self, tenant: &TenantId) -> Result<Usage> {
        let sql = "SELECT kind, row_count, byte_count FROM tenant_usage WHERE tenant_id = $1";
        let counts = self.rows(sql, &[tenant.as_str().into()], count).await?;
        let of = |kind: &str| counts.iter().find(|(known, ..)| known == kind);
        let rows = |kind: &str| of(kind).map_or(0, |(_, rows, _)| *rows);
        Ok(Usage {
            ledger_rows: rows("ledger"),
            ledger_bytes: of("ledger").map_or(0, |(_, _, bytes)| *bytes),
            credentials: rows("credentials"),
            api_keys: rows("keys"),
            audit_records: rows("audit"),
            limits: self.quotas,
        })
    }
}

fn count(row: &Row) -> Result<(String, u64, u64)> {
    Ok((row.column("kind")?, row.number("row_count")?, row.number("byte_count")?))
}
