//! API keys in the database.

use std::sync::Arc;

use super::row::behind;
use super::usage::UsageKind;
use super::{Row, Sql};
use crate::domain::{CredentialId, Failure, KeyId, Result, Scope, Scopes, TenantId, Timestamp};
use crate::store::{After, KeyRecord};

// Columns are named one by one: `*` would change its meaning under a running program when a newer one adds a column.
macro_rules! columns {
    () => {
        "id, tenant_id, name, digest, scopes, credential_ids, created_at, expires_at, last_used_at"
    };
}

/// API keys in the database; clones share it.
#[derive(Clone)]
pub struct KeyStore(pub(in crate::store) Arc<Sql>);

impl KeyStore {
    /// Adds a key. Fails with `tenant_not_found`, `quota_exceeded`.
    pub async fn insert(&self, key: &KeyRecord) -> Result<()> {
        let KeyRecord { id, tenant, name, digest, scopes, credentials, created_at, expires_at, last_used_at } =
            key;
        let scopes = words(scopes.as_slice().iter().map(|scope| scope.as_str()));
        let credentials = credentials.as_ref().map(|ids| words(ids.iter().map(CredentialId::as_str)));
        let values = [
            id.as_str().into(),
            tenant.as_str().into(),
            name.as_str().into(),
            digest.as_slice().into(),
            scopes.as_str().into(),
            credentials.as_deref().into(),
            created_at.as_millisecond().into(),
            expires_at.map(Timestamp::as_millisecond).into(),
            last_used_at.map(Timestamp::as_millisecond).into(),
        ];
        let sql =
            concat!("INSERT INTO api_keys (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
        self.0.add_within((sql, &values), tenant, UsageKind::Keys, self.0.quotas().api_keys).await
    }

    /// The key with this id, of any tenant.
    pub async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let sql = concat!("SELECT ", columns!(), " FROM api_keys WHERE id = $1");
        self.0.row(sql, &[id.as_str().into()], key).await
    }

    /// At most `limit` keys of the tenant after `after`, oldest first.
    pub async fn list(&self, tenant: &TenantId, after: Option<&After>, limit: u32) -> Result<Vec<KeyRecord>> {
        let (at, id) = behind(after);
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM api_keys WHERE tenant_id = $1 AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4"
        );
        self.0.rows(sql, &[tenant.as_str().into(), at.into(), id.into(), i64::from(limit).into()], key).await
    }

    /// Removes the tenant's key permanently. Returns whether there was one.
    pub async fn delete(&self, tenant: &TenantId, id: &KeyId) -> Result<bool> {
        let sql = "DELETE FROM api_keys WHERE tenant_id = $1 AND id = $2";
        Ok(self.0.execute(sql, &[tenant.as_str().into(), id.as_str().into()]).await? > 0)
    }

    /// Stores the time of a use of the key, unless a later one is stored.
    pub async fn note_use(&self, id: &KeyId, at: Timestamp) -> Result<()> {
        let sql = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        self.0.execute(sql, &[id.as_str().into(), at.as_millisecond().into()]).await.map(|_| ())
    }
}

fn words<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

fn key(row: &Row) -> Result<KeyRecord> {
    let digest: &[u8] = row.column("digest")?;
    let scopes: Vec<Scope> = row.column::<&str>("scopes")?.split(' ').filter_map(Scope::parse).collect();
    let credentials: Option<&str> = row.column("credential_ids")?;
    Ok(KeyRecord {
        id: row.text("id")?.into(),
        tenant: row.text("tenant_id")?.into(),
        name: row.text("name")?,
        digest: digest.try_into().map_err(|_| Failure::internal("a key's digest has another length"))?,
        // A scope of a newer version is left out: it allows nothing that this version knows.
        scopes: Scopes::new(&scopes),
        credentials: credentials.map(|ids| ids.split_whitespace().map(CredentialId::from).collect()),
        created_at: row.time("created_at")?,
        expires_at: row.some_time("expires_at")?,
        last_used_at: row.some_time("last_used_at")?,
    })
}
