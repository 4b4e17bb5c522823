//! API keys in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::Sqlite;
use super::row::{behind, column, refused, some_time, text, time, unavailable};
use crate::domain::{CredentialId, Failure, KeyId, Result, Scope, Scopes, TenantId, Timestamp};
use crate::store::{After, KeyRecord, KeyStore};

#[async_trait]
impl KeyStore for Sqlite {
    async fn insert(&self, key: &KeyRecord) -> Result<()> {
        let KeyRecord { id, tenant, name, digest, scopes, credentials, created_at, expires_at, last_used_at } =
            key;
        sqlx::query(
            "INSERT INTO api_keys (id, tenant_id, name, digest, scopes, credential_ids, created_at, expires_at, \
             last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .bind(name.as_str())
        .bind(digest.as_slice())
        .bind(words(scopes.as_slice().iter().map(|scope| scope.as_str())))
        .bind(credentials.as_ref().map(|ids| words(ids.iter().map(CredentialId::as_str))))
        .bind(created_at.as_millisecond())
        .bind(expires_at.map(Timestamp::as_millisecond))
        .bind(last_used_at.map(Timestamp::as_millisecond))
        .execute(&self.0)
        .await
        .map_err(refused)?;
        Ok(())
    }

    async fn get(&self, id: &KeyId) -> Result<Option<KeyRecord>> {
        let row = sqlx::query("SELECT * FROM api_keys WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.0)
            .await
            .map_err(unavailable)?;
        row.as_ref().map(key).transpose()
    }

    async fn list(&self, tenant: &TenantId, after: Option<&After>, limit: u32) -> Result<Vec<KeyRecord>> {
        let (at, id) = behind(after);
        let rows = sqlx::query(
            "SELECT * FROM api_keys WHERE tenant_id = $1 AND (created_at, id) > ($2, $3) \
             ORDER BY created_at, id LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(at)
        .bind(id)
        .bind(i64::from(limit))
        .fetch_all(&self.0)
        .await
        .map_err(unavailable)?;
        rows.iter().map(key).collect()
    }

    async fn delete(&self, tenant: &TenantId, id: &KeyId) -> Result<bool> {
        let done = sqlx::query("DELETE FROM api_keys WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.as_str())
            .bind(id.as_str())
            .execute(&self.0)
            .await
            .map_err(unavailable)?;
        Ok(done.rows_affected() > 0)
    }
}

fn words<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

fn key(row: &SqliteRow) -> Result<KeyRecord> {
    let digest: &[u8] = column(row, "digest")?;
    let scopes: Vec<Scope> = column::<&str>(row, "scopes")?.split(' ').filter_map(Scope::parse).collect();
    let credentials: Option<&str> = column(row, "credential_ids")?;
    Ok(KeyRecord {
        id: text(row, "id")?.into(),
        tenant: text(row, "tenant_id")?.into(),
        name: text(row, "name")?,
        digest: digest.try_into().map_err(|_| Failure::internal("a key's digest has another length"))?,
        // A scope of a newer version is left out: it allows nothing that this version knows.
        scopes: Scopes::new(&scopes),
        credentials: credentials.map(|ids| ids.split_whitespace().map(CredentialId::from).collect()),
        created_at: time(row, "created_at")?,
        expires_at: some_time(row, "expires_at")?,
        last_used_at: some_time(row, "last_used_at")?,
    })
}
