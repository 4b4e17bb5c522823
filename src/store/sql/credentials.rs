//! Credentials in the database: every statement names the tenant.

use async_trait::async_trait;

use super::row::behind;
use super::usage::UsageKind;
use super::{Row, Sql, SqlValue};
use crate::domain::{CredentialId, FailureKind, Result, TenantId};
use crate::store::{After, CheckRecord, CredentialRecord, CredentialStore};

// Columns are named one by one: `*` would change its meaning under a running program when a newer one adds a column.
macro_rules! columns {
    () => {
        "id, tenant_id, provider, name, settings, base_url, secret, revision, created_at, updated_at, checked_at, \
         check_since, check_ok, check_code"
    };
}

#[async_trait]
impl CredentialStore for Sql {
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
        let [checked_at, check_since, check_ok, check_code] = flat(last_check.as_ref());
        let values = [
            id.as_str().into(),
            tenant.as_str().into(),
            provider.as_str().into(),
            name.as_str().into(),
            settings.as_str().into(),
            base_url.as_str().into(),
            secret.as_slice().into(),
            (*revision).into(),
            created_at.as_millisecond().into(),
            updated_at.as_millisecond().into(),
            checked_at,
            check_since,
            check_ok,
            check_code,
        ];
        let sql = concat!(
            "INSERT INTO credentials (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        );
        self.add_within((sql, &values), tenant, UsageKind::Credentials, self.quotas().credentials).await
    }

    async fn get(&self, tenant: &TenantId, id: &CredentialId) -> Result<Option<CredentialRecord>> {
        let sql = concat!("SELECT ", columns!(), " FROM credentials WHERE tenant_id = $1 AND id = $2");
        self.row(sql, &[tenant.as_str().into(), id.as_str().into()], credential).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<CredentialRecord>> {
        let (at, id) = behind(after);
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM credentials WHERE tenant_id = $1 AND (created_at, id) > ($2, $3) \
             ORDER BY created_at, id LIMIT $4"
        );
        let values = [tenant.as_str().into(), at.into(), id.into(), i64::from(limit).into()];
        self.rows(sql, &values, credential).await
    }

    async fn update(&self, credential: &CredentialRecord) -> Result<bool> {
        let [checked_at, check_since, check_ok, check_code] = flat(credential.last_check.as_ref());
        let values = [
            credential.name.as_str().into(),
            credential.settings.as_str().into(),
            credential.base_url.as_str().into(),
            credential.secret.as_slice().into(),
            credential.updated_at.as_millisecond().into(),
            checked_at,
            check_since,
            check_ok,
            check_code,
            credential.tenant.as_str().into(),
            credential.id.as_str().into(),
            credential.revision.into(),
        ];
        let sql = "UPDATE credentials SET name = $1, settings = $2, base_url = $3, secret = $4, updated_at = $5, \
             checked_at = $6, check_since = $7, check_ok = $8, check_code = $9, revision = revision + 1 \
             WHERE tenant_id = $10 AND id = $11 AND revision = $12";
        Ok(self.write(sql, &values).await? > 0)
    }

    async fn note_check(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        revision: i64,
        check: &CheckRecord,
    ) -> Result<()> {
        let sql = "UPDATE credentials SET checked_at = $1, check_since = $2, check_ok = $3, check_code = $4 \
             WHERE tenant_id = $5 AND id = $6 AND revision = $7";
        self.execute(sql, &noted(tenant, id, revision, check)).await?;
        Ok(())
    }

    async fn note_change(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        revision: i64,
        check: &CheckRecord,
    ) -> Result<bool> {
        let sql = "UPDATE credentials SET checked_at = $1, check_since = $2, check_ok = $3, check_code = $4 \
             WHERE tenant_id = $5 AND id = $6 AND revision = $7 AND (check_ok IS NULL OR check_ok <> $3 \
             OR (check_ok = 0 AND check_code NOT IN ($8, $9)))";
        let refusals = FailureKind::CREDENTIAL_REFUSALS.map(|kind| SqlValue::from(kind.code()));
        let values = [&noted(tenant, id, revision, check)[..], &refusals].concat();
        Ok(self.execute(sql, &values).await? > 0)
    }

    async fn delete(&self, tenant: &TenantId, id: &CredentialId) -> Result<bool> {
        let sql = "DELETE FROM credentials WHERE tenant_id = $1 AND id = $2";
        let removed = self.execute(sql, &[tenant.as_str().into(), id.as_str().into()]).await?;
        self.destroy_traces().await;
        Ok(removed > 0)
    }
}

/// The values of a statement that notes a check of a row.
fn noted<'a>(
    tenant: &'a TenantId,
    id: &'a CredentialId,
    revision: i64,
    check: &'a CheckRecord,
) -> [SqlValue<'a>; 7] {
    let [at, since, ok, code] = flat(Some(check));
    [at, since, ok, code, tenant.as_str().into(), id.as_str().into(), revision.into()]
}

/// The values of the four columns of a check.
fn flat(check: Option<&CheckRecord>) -> [SqlValue<'_>; 4] {
    [
        check.map(|check| check.at.as_millisecond()).into(),
        check.map(|check| check.since.as_millisecond()).into(),
        check.map(|check| i64::from(check.ok)).into(),
        check.and_then(|check| check.code.as_deref()).into(),
    ]
}

pub(super) fn check(row: &Row) -> Result<Option<CheckRecord>> {
    let Some(at) = row.some_time("checked_at")? else { return Ok(None) };
    let ok = row.column::<Option<i64>>("check_ok")? == Some(1);
    // An earlier release writes no `check_since`.
    let since = row.some_time("check_since")?.unwrap_or(at);
    Ok(Some(CheckRecord { at, since, ok, code: row.some_text("check_code")? }))
}

fn credential(row: &Row) -> Result<CredentialRecord> {
    Ok(CredentialRecord {
        id: row.text("id")?.into(),
        tenant: row.text("tenant_id")?.into(),
        provider: row.text("provider")?,
        name: row.text("name")?,
        settings: row.text("settings")?,
        base_url: row.text("base_url")?,
        secret: row.column("secret")?,
        revision: row.column("revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        last_check: check(row)?,
    })
}
