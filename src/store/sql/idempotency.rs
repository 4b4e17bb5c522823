//! The ledger of writes under an `Idempotency-Key` in the database; times are the database's own, from the view `clock`.

use std::time::Duration;

use async_trait::async_trait;

use super::connections::Statement;
use super::row::refused;
use super::usage::{ROOM, UsageKind, room};
use super::{Row, Sql, SqlValue};
use crate::config::Quotas;
use crate::domain::{CredentialId, Failure, FailureKind, Result, TenantId, Text};
use crate::store::{Advance, HeldLease, IdempotencyRecord, IdempotencyStore, Reservation};

macro_rules! columns {
    () => {
        "tenant_id, key, fingerprint, credential_id, stage, fence, sends, sealed, created_at, expires_at, request_bytes"
    };
}

macro_rules! now {
    () => {
        "(SELECT now FROM clock)"
    };
}

/// The lease end for a lease of so many milliseconds. Zero means released. No clock ends a lease.
macro_rules! until {
    ($milliseconds:literal) => {
        concat!(
            "CASE WHEN ",
            $milliseconds,
            " = 0 THEN 0 ELSE (SELECT now FROM clock) + ",
            $milliseconds,
            " END"
        )
    };
}

/// How often a reservation is tried again when the existing row is gone before it is read.
const LOOKS: usize = 5;

#[async_trait]
impl IdempotencyStore for Sql {
    async fn reserve(&self, record: &IdempotencyRecord, lease: Duration) -> Result<Reservation> {
        let Quotas { ledger_rows, ledger_bytes, .. } = *self.quotas();
        let (values, room) =
            (reservation(record, lease), room(&record.tenant, UsageKind::Ledger, ledger_rows, ledger_bytes));
        let both: [Statement<'_>; 2] = [(RESERVE, &values), (ROOM, &room)];
        let bounded = ledger_rows.is_some() || ledger_bytes.is_some();
        for _ in 0..LOOKS {
            match self.together(if bounded { &both } else { &both[..1] }, true, refused).await? {
                None => return Ok(Reservation::Ours),
                Some(0) => {}
                Some(_) => return self.full(&record.tenant).await,
            }
            let place = [record.tenant.as_str().into(), record.key.as_str().into()];
            if let Some((standing, is_released)) = self.row(STANDING, &place, standing).await? {
                return Ok(Reservation::Held { record: Box::new(standing), is_released });
            }
        }
        let detail = "Other requests used this Idempotency-Key at the same time. Try again.";
        Err(Failure::new(FailureKind::StoreUnavailable, detail))
    }

    async fn take_over(
        &self,
        held: &IdempotencyRecord,
        fence: &Text,
        lease: Duration,
    ) -> Result<Option<IdempotencyRecord>> {
        let sql = concat!(
            "UPDATE idempotency SET fence = $4, lease_until = ",
            until!("$5"),
            " WHERE tenant_id = $1 AND key = $2 AND fence = $3 AND stage <> 'done' AND lease_until = 0 RETURNING ",
            columns!()
        );
        let values = [
            held.tenant.as_str().into(),
            held.key.as_str().into(),
            held.fence.as_str().into(),
            fence.as_str().into(),
            milliseconds(lease).into(),
        ];
        self.changed_row(sql, &values, record).await
    }

    fn is_lost(&self) -> bool {
        self.files_are_lost()
    }

    async fn renew(&self, tenant: &TenantId, key: &str, fence: &str, lease: Duration) -> Result<bool> {
        let sql = concat!(
            "UPDATE idempotency SET lease_until = ",
            until!("$4"),
            " WHERE tenant_id = $1 AND key = $2 AND fence = $3"
        );
        let values = [tenant.as_str().into(), key.into(), fence.into(), milliseconds(lease).into()];
        Ok(self.execute(sql, &values).await? > 0)
    }

    async fn advance(&self, tenant: &TenantId, key: &str, fence: &str, to: &Advance<'_>) -> Result<bool> {
        let Advance { stage, sends, sealed, lease } = *to;
        let sql = concat!(
            "UPDATE idempotency SET stage = $4, sends = $5, sealed = $6, lease_until = ",
            until!("$7"),
            " WHERE tenant_id = $1 AND key = $2 AND fence = $3"
        );
        let values = [
            tenant.as_str().into(),
            key.into(),
            fence.into(),
            stage.as_str().into(),
            sends.into(),
            sealed.into(),
            lease.map_or(0, milliseconds).into(),
        ];
        Ok(self.execute(sql, &values).await? > 0)
    }

    async fn postpone(&self, tenant: &TenantId, key: &str, fence: &str, pause: Duration) -> Result<bool> {
        let sql = concat!(
            "UPDATE idempotency SET lease_until = 0, look_at = ",
            now!(),
            " + $4 WHERE tenant_id = $1 AND key = $2 AND fence = $3"
        );
        let values = [tenant.as_str().into(), key.into(), fence.into(), milliseconds(pause).into()];
        Ok(self.execute(sql, &values).await? > 0)
    }

    async fn remove(&self, tenant: &TenantId, key: &str, fence: &str) -> Result<bool> {
        let sql = "DELETE FROM idempotency WHERE tenant_id = $1 AND key = $2 AND fence = $3";
        Ok(self.execute(sql, &[tenant.as_str().into(), key.into(), fence.into()]).await? > 0)
    }

    async fn unsettled(&self, limit: u32) -> Result<Vec<IdempotencyRecord>> {
        self.rows(UNSETTLED, &[i64::from(limit).into()], record).await
    }

    async fn held(&self, limit: u32) -> Result<Vec<HeldLease>> {
        let sql = "SELECT tenant_id AS tenant, key AS name, fence, lease_until FROM idempotency \
             WHERE stage IN ('reserved', 'sending', 'unknown', 'found', 'absent', 'ambiguous') AND lease_until <> 0 \
             ORDER BY lease_until LIMIT $1";
        self.rows(sql, &[i64::from(limit).into()], held_lease).await
    }

    async fn end_lease(&self, lease: &HeldLease) -> Result<bool> {
        let HeldLease { tenant, name, fence, until } = lease;
        let sql = "UPDATE idempotency SET lease_until = 0 \
             WHERE tenant_id = $1 AND key = $2 AND fence = $3 AND lease_until = $4";
        let values = [tenant.as_str().into(), name.as_str().into(), fence.as_str().into(), (*until).into()];
        Ok(self.execute(sql, &values).await? > 0)
    }

    async fn end_leases(&self) -> Result<u64> {
        let sql = "UPDATE idempotency SET lease_until = 0 WHERE lease_until <> 0 AND stage <> 'done'";
        self.execute(sql, &[]).await
    }

    async fn erase_expired(&self, limit: u32) -> Result<u64> {
        let sql = concat!(
            "DELETE FROM idempotency WHERE expires_at < ",
            now!(),
            " AND (lease_until = 0 OR stage = 'done') \
             AND (tenant_id, key) IN (SELECT tenant_id, key FROM idempotency WHERE expires_at < ",
            now!(),
            " AND (lease_until = 0 OR stage = 'done') ORDER BY expires_at LIMIT $1)"
        );
        let erased = self.execute(sql, &[i64::from(limit).into()]).await?;
        // This also erases bytes of rows that stay. A checkpoint after each write would slow down every write.
        self.destroy_traces().await;
        Ok(erased)
    }
}

/// How long after its end a row may still exist: expired rows are removed once a minute.
const SWEPT_WITHIN: Duration = Duration::from_mins(1);

impl Sql {
    /// The result for a tenant at its quota, with the time until its oldest row ends.
    async fn full(&self, tenant: &TenantId) -> Result<Reservation> {
        let sql = concat!(
            "SELECT CAST(coalesce(min(expires_at), 0) - ",
            now!(),
            " AS BIGINT) AS time FROM idempotency WHERE tenant_id = $1"
        );
        let time = self.row(sql, &[tenant.as_str().into()], |row| row.column::<i64>("time")).await?;
        let time = time.and_then(|time| u64::try_from(time).ok()).unwrap_or_default();
        Ok(Reservation::Full { retry_after: Duration::from_millis(time) + SWEPT_WITHIN })
    }
}

/// Adds the row, or replaces an expired row without a holder. If many callers run it at once, exactly one of them changes a
/// row.
const RESERVE: &str = concat!(
    "INSERT INTO idempotency (",
    columns!(),
    ", lease_until, look_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, ",
    now!(),
    ", ",
    now!(),
    " + $9, $11, ",
    until!("$10"),
    ", 0) ON CONFLICT (tenant_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, \
     credential_id = excluded.credential_id, stage = excluded.stage, fence = excluded.fence, \
     sends = excluded.sends, sealed = excluded.sealed, created_at = excluded.created_at, \
     expires_at = excluded.expires_at, request_bytes = excluded.request_bytes, lease_until = excluded.lease_until, \
     look_at = excluded.look_at WHERE idempotency.expires_at < ",
    now!(),
    " AND (idempotency.lease_until = 0 OR idempotency.stage = 'done')"
);

/// Orders rows by their number within the credential, then within the tenant: first all first rows, then all second ones.
const UNSETTLED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM (SELECT due.*, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY of_credential, look_at, key) \
     AS of_tenant FROM (SELECT tenant_id, key, fingerprint, credential_id, stage, fence, sends, \
     CASE WHEN 1 = 0 THEN sealed END AS sealed, created_at, expires_at, request_bytes, look_at, \
     ROW_NUMBER() OVER (PARTITION BY tenant_id, credential_id ORDER BY look_at, key) AS of_credential \
     FROM idempotency WHERE stage IN ('sending', 'unknown') AND sealed IS NOT NULL AND lease_until = 0 AND look_at <= ",
    now!(),
    ") AS due) AS turns ORDER BY of_tenant, look_at, tenant_id, key LIMIT $1"
);

const STANDING: &str = concat!(
    "SELECT ",
    columns!(),
    ", CAST(CASE WHEN lease_until = 0 THEN 1 ELSE 0 END AS BIGINT) AS is_released FROM idempotency WHERE tenant_id = $1 AND key = $2"
);

fn reservation(record: &IdempotencyRecord, lease: Duration) -> [SqlValue<'_>; 11] {
    let IdempotencyRecord {
        tenant,
        key,
        fingerprint,
        credential,
        stage,
        fence,
        sends,
        sealed,
        created_at,
        expires_at,
        request_bytes,
    } = record;
    // The database's clock gives the creation time; our clock, how long the row is kept.
    let kept = expires_at.as_millisecond().saturating_sub(created_at.as_millisecond());
    [
        tenant.as_str().into(),
        key.as_str().into(),
        fingerprint.as_slice().into(),
        credential.as_ref().map(CredentialId::as_str).into(),
        stage.as_str().into(),
        fence.as_str().into(),
        (*sends).into(),
        sealed.as_deref().into(),
        kept.into(),
        milliseconds(lease).into(),
        (*request_bytes).into(),
    ]
}

pub(super) fn held_lease(row: &Row) -> Result<HeldLease> {
    Ok(HeldLease {
        tenant: row.text("tenant")?,
        name: row.text("name")?,
        fence: row.text("fence")?,
        until: row.column("lease_until")?,
    })
}

pub(super) fn milliseconds(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::from(u32::MAX))
}

fn standing(row: &Row) -> Result<(IdempotencyRecord, bool)> {
    Ok((record(row)?, row.column::<i64>("is_released")? > 0))
}

fn record(row: &Row) -> Result<IdempotencyRecord> {
    Ok(IdempotencyRecord {
        tenant: row.text("tenant_id")?.into(),
        key: row.text("key")?,
        fingerprint: row.column("fingerprint")?,
        credential: row.some_text("credential_id")?.map(CredentialId::from),
        stage: row.stage()?,
        fence: row.text("fence")?,
        sends: row.column("sends")?,
        sealed: row.column("sealed")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        request_bytes: row.column("request_bytes")?,
    })
}
