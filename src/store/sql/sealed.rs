//! Sealed secrets of all tenants, for the rotation of the master key: selected by the head of the blob, which names the key.

use std::sync::Arc;

use super::{Row, Sql};
use crate::domain::{CredentialId, Result, TenantId, Text};
use crate::store::schema::HEADS;

/// One credential's sealed secret, with everything that it is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRecord {
    pub tenant: TenantId,
    pub id: CredentialId,
    /// The base URL that it is bound to.
    pub base_url: Text,
    pub secret: Vec<u8>,
    pub revision: i64,
}

/// Sealed secrets in the database; clones share it. A `head` is the beginning of a blob (`Sealer::head`).
#[derive(Clone)]
pub struct SealedStore(pub(in crate::store) Arc<Sql>);

impl SealedStore {
    /// At most `limit` secrets that do not begin with `head`, by tenant and credential, after `after`.
    pub async fn unlike(
        &self,
        head: &[u8],
        after: Option<&SealedRecord>,
        limit: u32,
    ) -> Result<Vec<SealedRecord>> {
        let tenant = after.map_or("", |after| after.tenant.as_str());
        let id = after.map_or("", |after| after.id.as_str());
        let sql = "SELECT tenant_id, id, base_url, secret, revision FROM credentials \
             WHERE (tenant_id, id) > ($1, $2) AND substr(secret, 1, length($3)) <> $3 \
             ORDER BY tenant_id, id LIMIT $4";
        self.0.rows(sql, &[tenant.into(), id.into(), head.into(), i64::from(limit).into()], sealed).await
    }

    /// Replaces `held.secret` by `secret` if the credential is unchanged since it was read. Counts the revision up, so that
    /// nobody writes the former secret back. Returns whether it did.
    pub async fn reseal(&self, held: &SealedRecord, secret: &[u8]) -> Result<bool> {
        let sql = "UPDATE credentials SET secret = $1, revision = revision + 1 \
             WHERE tenant_id = $2 AND id = $3 AND revision = $4 AND secret = $5";
        let values = [
            secret.into(),
            held.tenant.as_str().into(),
            held.id.as_str().into(),
            held.revision.into(),
            held.secret.as_slice().into(),
        ];
        Ok(self.0.execute(sql, &values).await? > 0)
    }

    /// The distinct heads, each `length` bytes long, and how many secrets begin with each.
    pub async fn heads(&self, length: usize) -> Result<Vec<(Vec<u8>, u64)>> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        self.0.rows(HEADS, &[length.into()], |row| Ok((row.column("head")?, row.number("secrets")?))).await
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
