//! Sealed secrets in the database, chosen by the head of the blob.

use async_trait::async_trait;

use super::{Row, Sql};
use crate::domain::{Result, TenantId};
use crate::store::{SealedAfter, SealedRecord, SealedStore};

#[async_trait]
impl SealedStore for Sql {
    async fn unlike(
        &self,
        head: &[u8],
        after: Option<&SealedAfter>,
        limit: u32,
    ) -> Result<Vec<SealedRecord>> {
        let tenant = after.map_or("", |after| after.tenant.as_str());
        let id = after.map_or("", |after| after.id.as_str());
        let sql = "SELECT tenant_id, id, base_url, secret, revision FROM credentials \
             WHERE (tenant_id, id) > ($1, $2) AND substr(secret, 1, length($3)) <> $3 \
             ORDER BY tenant_id, id LIMIT $4";
        self.rows(sql, &[tenant.into(), id.into(), head.into(), i64::from(limit).into()], sealed).await
    }

    async fn reseal(&self, held: &SealedRecord, secret: &[u8]) -> Result<bool> {
        let sql = "UPDATE credentials SET secret = $1, revision = revision + 1 \
             WHERE tenant_id = $2 AND id = $3 AND revision = $4 AND secret = $5";
        let values = [
            secret.into(),
            held.tenant.as_str().into(),
            held.id.as_str().into(),
            held.revision.into(),
            held.secret.as_slice().into(),
        ];
        Ok(self.execute(sql, &values).await? > 0)
    }

    async fn heads(&self, length: usize) -> Result<Vec<(Vec<u8>, u64)>> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let sql = "SELECT head, count(*) AS secrets FROM \
             (SELECT substr(secret, 1, CAST($1 AS INTEGER)) AS head FROM credentials) AS heads GROUP BY head";
        self.rows(sql, &[length.into()], |row| {
            Ok((row.column("head")?, u64::try_from(row.column::<i64>("secrets")?).unwrap_or_default()))
        })
        .await
    }
}

fn sealed(row: &Row) -> Result<SealedRecord> {
    Ok(SealedRecord {
        tenant: TenantId::from(row.text("tenant_id")?),
        id: row.text("id")?.into(),
        base_url: row.text("base_url")?,
        secret: row.column("secret")?,
        revision: row.column("revision")?,
    })
}
