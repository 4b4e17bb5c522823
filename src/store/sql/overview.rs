//! What the operator page lists of all tenants: those that need attention first, in parts of limited size. No secret and no
//! setting is read.

use super::credentials::check;
use super::tenants::tenant;
use super::usage::most;
use super::{Database, Row, SqlValue};
use crate::config::Quotas;
use crate::domain::{CredentialId, FailureKind, Result, TenantId, Text, Timestamp};
use crate::store::{CheckRecord, Stage, TenantRecord, Usage};

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub struct RowRange {
    pub skip: u32,
    pub take: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TenantOverview {
    pub tenant: TenantRecord,
    pub usage: Usage,
    /// How many of its credentials are refused by their CRM.
    pub failing: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CredentialOverview {
    pub id: CredentialId,
    pub tenant: TenantId,
    pub tenant_name: Text,
    pub provider: Text,
    pub name: Text,
    pub last_check: Option<CheckRecord>,
}

/// A write whose outcome is unknown. Times are those of the database's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenWrite {
    pub tenant: TenantId,
    pub tenant_name: Text,
    /// `None` for a write of credentials themselves.
    pub credential: Option<CredentialId>,
    pub stage: Stage,
    /// How often it was sent.
    pub sends: i64,
    /// Whether a request or a lookup works on it.
    pub is_held: bool,
    pub now: Timestamp,
    pub created_at: Timestamp,
    /// From when on the gateway searches for its outcome.
    pub look_at: Timestamp,
    pub expires_at: Timestamp,
}

const CREDENTIALS: &str = "SELECT c.id, c.tenant_id, t.name AS tenant_name, c.provider, c.name, c.checked_at, c.check_since, \
     c.check_ok, c.check_code FROM credentials c JOIN tenants t ON t.id = c.tenant_id \
     ORDER BY CASE WHEN c.check_ok = 0 AND c.check_code IN ($1, $2) THEN 0 WHEN c.check_ok = 0 THEN 1 \
     WHEN c.check_ok IS NULL THEN 2 ELSE 3 END, coalesce(c.check_since, c.created_at) DESC, c.tenant_id, c.id \
     LIMIT $3 OFFSET $4";

/// `fullest` is the largest part of a quota that is used, in thousandths.
const TENANTS: &str = "SELECT t.id, t.name, t.created_at, u.ledger_rows, u.ledger_bytes, u.credentials, u.api_keys, \
     u.audit_records, coalesce(f.failing, 0) AS failing FROM tenants t \
     JOIN (SELECT tenant_id, max(CASE kind WHEN 'ledger' THEN row_count ELSE 0 END) AS ledger_rows, \
     max(CASE kind WHEN 'ledger' THEN byte_count ELSE 0 END) AS ledger_bytes, \
     max(CASE kind WHEN 'credentials' THEN row_count ELSE 0 END) AS credentials, \
     max(CASE kind WHEN 'keys' THEN row_count ELSE 0 END) AS api_keys, \
     max(CASE kind WHEN 'audit' THEN row_count ELSE 0 END) AS audit_records, \
     max(CASE kind WHEN 'ledger' THEN CASE WHEN row_count * 1000 / $1 > byte_count * 1000 / $2 \
     THEN row_count * 1000 / $1 ELSE byte_count * 1000 / $2 END \
     WHEN 'credentials' THEN row_count * 1000 / $3 WHEN 'keys' THEN row_count * 1000 / $4 \
     ELSE row_count * 1000 / $5 END) AS fullest FROM tenant_usage GROUP BY tenant_id) u ON u.tenant_id = t.id \
     LEFT JOIN (SELECT tenant_id, count(*) AS failing FROM credentials WHERE check_ok = 0 AND check_code IN ($6, $7) \
     GROUP BY tenant_id) f ON f.tenant_id = t.id \
     ORDER BY coalesce(f.failing, 0) DESC, u.fullest DESC, t.created_at, t.id LIMIT $8 OFFSET $9";

const OPEN_WRITES: &str = "SELECT i.tenant_id, t.name AS tenant_name, i.credential_id, i.stage, i.sends, i.created_at, \
     i.expires_at, i.look_at, CAST(CASE WHEN i.lease_until = 0 THEN 0 ELSE 1 END AS BIGINT) AS held, \
     (SELECT now FROM clock) AS now FROM idempotency i JOIN tenants t ON t.id = i.tenant_id \
     WHERE i.stage IN ('sending', 'unknown', 'ambiguous') ORDER BY i.created_at, i.key LIMIT $1 OFFSET $2";

impl Database {
    /// Credentials: first those that their CRM refuses, then those whose last check failed otherwise, then unchecked ones; of
    /// each the last changed first. Fails with `store_unavailable`.
    pub async fn credentials_by_health(&self, range: RowRange) -> Result<Vec<CredentialOverview>> {
        let [one, other] = FailureKind::CREDENTIAL_REFUSALS.map(|kind| SqlValue::from(kind.code()));
        self.0.rows(CREDENTIALS, &[one, other, range.take(), range.skip()], credential).await
    }

    /// Tenants: first those with refused credentials, then by how much of a quota they have used.
    /// Fails with `store_unavailable`.
    pub async fn tenants_by_need(&self, range: RowRange) -> Result<Vec<TenantOverview>> {
        let limits = *self.0.quotas();
        let Quotas { ledger_rows, ledger_bytes, credentials, api_keys, audit_records } = limits;
        let most = |limit| SqlValue::from(most(limit));
        let [one, other] = FailureKind::CREDENTIAL_REFUSALS.map(|kind| SqlValue::from(kind.code()));
        let values = [
            most(ledger_rows),
            most(ledger_bytes),
            most(credentials),
            most(api_keys),
            most(audit_records),
            one,
            other,
            range.take(),
            range.skip(),
        ];
        self.0.rows(TENANTS, &values, |row| tenant_overview(row, limits)).await
    }

    /// Writes under an `Idempotency-Key` whose outcome is unknown, the oldest first. Fails with `store_unavailable`.
    pub async fn open_writes(&self, range: RowRange) -> Result<Vec<OpenWrite>> {
        self.0.rows(OPEN_WRITES, &[range.take(), range.skip()], open_write).await
    }
}

impl RowRange {
    fn take(self) -> SqlValue<'static> {
        i64::from(self.take).into()
    }

    fn skip(self) -> SqlValue<'static> {
        i64::from(self.skip).into()
    }
}

fn credential(row: &Row) -> Result<CredentialOverview> {
    Ok(CredentialOverview {
        id: row.text("id")?.into(),
        tenant: row.text("tenant_id")?.into(),
        tenant_name: row.text("tenant_name")?,
        provider: row.text("provider")?,
        name: row.text("name")?,
        last_check: check(row)?,
    })
}

fn tenant_overview(row: &Row, limits: Quotas) -> Result<TenantOverview> {
    let usage = Usage {
        ledger_rows: row.number("ledger_rows")?,
        ledger_bytes: row.number("ledger_bytes")?,
        credentials: row.number("credentials")?,
        api_keys: row.number("api_keys")?,
        audit_records: row.number("audit_records")?,
        limits,
    };
    Ok(TenantOverview { tenant: tenant(row)?, usage, failing: row.number("failing")? })
}

fn open_write(row: &Row) -> Result<OpenWrite> {
    Ok(OpenWrite {
        tenant: row.text("tenant_id")?.into(),
        tenant_name: row.text("tenant_name")?,
        credential: row.some_text("credential_id")?.map(CredentialId::from),
        stage: row.stage()?,
        sends: row.column("sends")?,
        is_held: row.column::<i64>("held")? > 0,
        now: row.time("now")?,
        created_at: row.time("created_at")?,
        look_at: row.time("look_at")?,
        expires_at: row.time("expires_at")?,
    })
}
