//! Credentials in SQLite: every statement names the tenant.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::Sqlite;
use super::row::{behind, column, refused, some_time, text, time, unavailable};
use crate::domain::{CredentialId, Result, TenantId, Text};
use crate::store::{After, CheckRecord, CredentialRecord, CredentialStore};

#[async_trait]
impl CredentialStore for Sqlite {
    async fn insert(&self, credential: &CredentialRecord) -> Result<()> {
        let CredentialRecord {
            id,
            tenant,
            provider,
            name,
            settings,
            base_url,
            secret,
            revision,
            created_at,
            updated_at,
            last_check,
        } = credential;
        let (checked_at, check_ok, check_code) = flat(last_check.as_ref());
        sqlx::query(
            "INSERT INTO credentials (id, tenant_id, provider, name, settings, base_url, secret, revision, \
             created_at, updated_at, checked_at, check_ok, check_code) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .bind(provider.as_str())
        .bind(name.as_str())
        .bind(settings.as_str())
        .bind(base_url.as_str())
        .bind(secret.as_slice())
        .bind(*revision)
        .bind(created_at.as_millisecond())
        .bind(updated_at.as_millisecond())
        .bind(checked_at)
        .bind(check_ok)
        .bind(check_code)
        .execute(&self.0)
        .await
        .map_err(refused)?;
        Ok(())
    }

    async fn get(&self, tenant: &TenantId, id: &CredentialId) -> Result<Option<CredentialRecord>> {
        let row = sqlx::query("SELECT * FROM credentials WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.0)
            .await
            .map_err(unavailable)?;
        row.as_ref().map(credential).transpose()
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<CredentialRecord>> {
        let (at, id) = behind(after);
        let rows = sqlx::query(
            "SELECT * FROM credentials WHERE tenant_id = $1 AND (created_at, id) > ($2, $3) \
             ORDER BY created_at, id LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(at)
        .bind(id)
        .bind(i64::from(limit))
        .fetch_all(&self.0)
        .await
        .map_err(unavailable)?;
        rows.iter().map(credential).collect()
    }

    async fn update(&self, credential: &CredentialRecord) -> Result<bool> {
        let (checked_at, check_ok, check_code) = flat(credential.last_check.as_ref());
        let done = sqlx::query(
            "UPDATE credentials SET name = $1, settings = $2, base_url = $3, secret = $4, updated_at = $5, \
             checked_at = $6, check_ok = $7, check_code = $8, revision = revision + 1 \
             WHERE tenant_id = $9 AND id = $10 AND revision = $11",
        )
        .bind(credential.name.as_str())
        .bind(credential.settings.as_str())
        .bind(credential.base_url.as_str())
        .bind(credential.secret.as_slice())
        .bind(credential.updated_at.as_millisecond())
        .bind(checked_at)
        .bind(check_ok)
        .bind(check_code)
        .bind(credential.tenant.as_str())
        .bind(credential.id.as_str())
        .bind(credential.revision)
        .execute(&self.0)
        .await
        .map_err(refused)?;
        Ok(done.rows_affected() > 0)
    }

    async fn note_check(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        revision: i64,
        check: &CheckRecord,
    ) -> Result<()> {
        let (checked_at, check_ok, check_code) = flat(Some(check));
        sqlx::query(
            "UPDATE credentials SET checked_at = $1, check_ok = $2, check_code = $3 \
             WHERE tenant_id = $4 AND id = $5 AND revision = $6",
        )
        .bind(checked_at)
        .bind(check_ok)
        .bind(check_code)
        .bind(tenant.as_str())
        .bind(id.as_str())
        .bind(revision)
        .execute(&self.0)
        .await
        .map_err(unavailable)?;
        Ok(())
    }

    async fn delete(&self, tenant: &TenantId, id: &CredentialId) -> Result<bool> {
        let done = sqlx::query("DELETE FROM credentials WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.as_str())
            .bind(id.as_str())
            .execute(&self.0)
            .await
            .map_err(unavailable)?;
        self.destroy_traces().await;
        Ok(done.rows_affected() > 0)
    }
}

fn flat(check: Option<&CheckRecord>) -> (Option<i64>, Option<i64>, Option<&str>) {
    check.map_or((None, None, None), |CheckRecord { at, ok, code }| {
        (Some(at.as_millisecond()), Some(i64::from(*ok)), code.as_deref())
    })
}

fn check(row: &SqliteRow) -> Result<Option<CheckRecord>> {
    let Some(at) = some_time(row, "checked_at")? else { return Ok(None) };
    let ok = column::<Option<i64>>(row, "check_ok")? == Some(1);
    let code = column::<Option<String>>(row, "check_code")?.map(Text::from);
    Ok(Some(CheckRecord { at, ok, code }))
}

fn credential(row: &SqliteRow) -> Result<CredentialRecord> {
    Ok(CredentialRecord {
        id: text(row, "id")?.into(),
        tenant: text(row, "tenant_id")?.into(),
        provider: text(row, "provider")?,
        name: text(row, "name")?,
        settings: text(row, "settings")?,
        base_url: text(row, "base_url")?,
        secret: column(row, "secret")?,
        revision: column(row, "revision")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        last_check: check(row)?,
    })
}
