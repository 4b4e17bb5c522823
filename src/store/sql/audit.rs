//! The audit in the database.

use async_trait::async_trait;

use super::connections::Statement;
use super::row::unavailable;
use super::usage::most;
use super::{Row, Sql, SqlValue};
use crate::domain::{Failure, Result, TenantId, Text, Timestamp};
use crate::store::{AuditQuery, AuditRecord, AuditStore};

// An append whose response was lost may be repeated.
const APPEND: &str = "INSERT INTO audit (id, at, actor_kind, actor_id, tenant_id, action, target, fields, outcome, \
     request_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING";

#[async_trait]
impl AuditStore for Sql {
    async fn append(&self, record: &AuditRecord) -> Result<()> {
        self.execute(APPEND, &values(record, &names(&record.fields)?)).await?;
        Ok(())
    }

    async fn append_many(&self, records: &[AuditRecord]) -> Result<()> {
        // Sorted by tenant, so that two processes lock the tenants' counts in the same order and cannot deadlock.
        let mut records: Vec<&AuditRecord> = records.iter().collect();
        records.sort_by_key(|record| record.tenant.as_ref().map(TenantId::as_str));
        let fields = records.iter().map(|record| names(&record.fields)).collect::<Result<Vec<_>>>()?;
        let lists: Vec<_> =
            records.into_iter().zip(&fields).map(|(record, fields)| values(record, fields)).collect();
        let statements: Vec<Statement<'_>> = lists.iter().map(|values| (APPEND, values.as_slice())).collect();
        self.together(&statements, false, unavailable).await.map(|_| ())
    }

    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>> {
        let AuditQuery { tenant, from, to, action, after, limit } = query;
        let from = from.map_or(i64::MIN, Timestamp::as_millisecond);
        let to = to.map_or(i64::MAX, Timestamp::as_millisecond);
        // The first page starts from a time after all records.
        let (at, id) =
            after.as_ref().map_or((i64::MAX, ""), |after| (after.created_at.as_millisecond(), &after.id));
        let mut values = vec![from.into(), to.into(), at.into(), id.into(), i64::from(*limit).into()];
        let tenant = tenant.as_ref().map(TenantId::as_str);
        values.extend([tenant, action.as_deref()].into_iter().flatten().map(SqlValue::from));
        self.rows(statement(tenant.is_some(), action.is_some()), &values, record).await
    }

    async fn erase_before(&self, time: Timestamp, limit: u32) -> Result<u64> {
        let sql = "DELETE FROM audit WHERE id IN \
             (SELECT id FROM audit WHERE at < $1 ORDER BY at, id LIMIT $2)";
        self.execute(sql, &[time.as_millisecond().into(), i64::from(limit).into()]).await
    }

    async fn excessive(&self) -> Result<Vec<(TenantId, u64)>> {
        let Some(records) = self.quotas().audit_records else { return Ok(Vec::new()) };
        let sql = "SELECT tenant_id, row_count FROM tenant_usage WHERE kind = 'audit' AND row_count > $1";
        self.rows(sql, &[most(Some(records)).into()], |row| {
            Ok((row.text("tenant_id")?.into(), row.number("row_count")?.saturating_sub(records)))
        })
        .await
    }

    async fn erase_oldest(&self, tenant: &TenantId, limit: u32) -> Result<u64> {
        let sql = "DELETE FROM audit WHERE id IN \
             (SELECT id FROM audit WHERE tenant_id = $1 ORDER BY at, id LIMIT $2)";
        self.execute(sql, &[tenant.as_str().into(), i64::from(limit).into()]).await
    }
}

/// One statement for each choice of filters, so that each uses its index.
fn statement(tenant: bool, action: bool) -> &'static str {
    macro_rules! select {
        ($narrowed:literal) => {
            concat!(
                "SELECT id, at, actor_kind, actor_id, tenant_id, action, target, fields, outcome, request_id FROM audit \
                 WHERE at >= $1 AND at <= $2 AND (at, id) < ($3, $4) ",
                $narrowed,
                " ORDER BY at DESC, id DESC LIMIT $5"
            )
        };
    }
    match (tenant, action) {
        (false, false) => select!(""),
        (true, false) => select!("AND tenant_id = $6"),
        (false, true) => select!("AND action = $6"),
        (true, true) => select!("AND tenant_id = $6 AND action = $7"),
    }
}

fn values<'a>(record: &'a AuditRecord, fields: &'a str) -> Vec<SqlValue<'a>> {
    let AuditRecord { id, at, actor_kind, actor_id, tenant, action, target, fields: _, outcome, request_id } =
        record;
    vec![
        id.as_str().into(),
        at.as_millisecond().into(),
        actor_kind.as_str().into(),
        actor_id.as_deref().into(),
        tenant.as_ref().map(TenantId::as_str).into(),
        action.as_str().into(),
        target.as_deref().into(),
        fields.into(),
        outcome.as_str().into(),
        request_id.as_deref().into(),
    ]
}

/// Field names can contain any text of a caller; JSON keeps them separate.
fn names(fields: &[Text]) -> Result<String> {
    let names: Vec<&str> = fields.iter().map(Text::as_str).collect();
    serde_json::to_string(&names).map_err(|_| Failure::internal("names of fields could not be written"))
}

fn record(row: &Row) -> Result<AuditRecord> {
    let fields: Vec<String> = serde_json::from_str(row.column("fields")?)
        .map_err(|_| Failure::internal("the fields of an audit record are not a list of names"))?;
    Ok(AuditRecord {
        id: row.text("id")?,
        at: row.time("at")?,
        actor_kind: row.text("actor_kind")?,
        actor_id: row.some_text("actor_id")?,
        tenant: row.some_text("tenant_id")?.map(TenantId::from),
        action: row.text("action")?,
        target: row.some_text("target")?,
        fields: fields.into_iter().map(Text::from).collect(),
        outcome: row.text("outcome")?,
        request_id: row.some_text("request_id")?,
    })
}
