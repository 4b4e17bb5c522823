//! Tenants in the database.

use async_trait::async_trait;

use super::row::behind;
use super::{Row, Sql};
use crate::domain::{Result, TenantId};
use crate::store::{After, TenantRecord, TenantStore, Usage};

#[async_trait]
impl TenantStore for Sql {
    async fn insert(&self, tenant: &TenantRecord) -> Result<()> {
        let TenantRecord { id, name, created_at } = tenant;
        let sql = "INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3)";
        let at = created_at.as_millisecond();
        self.write(sql, &[id.as_str().into(), name.as_str().into(), at.into()]).await?;
        Ok(())
    }

    async fn get(&self, id: &TenantId) -> Result<Option<TenantRecord>> {
        self.row("SELECT id, name, created_at FROM tenants WHERE id = $1", &[id.as_str().into()], tenant)
            .await
    }

    async fn usage(&self, id: &TenantId) -> Result<Usage> {
        self.usage_of(id).await
    }

    async fn find(&self, name: &str) -> Result<Option<TenantRecord>> {
        self.row("SELECT id, name, created_at FROM tenants WHERE name = $1", &[name.into()], tenant).await
    }

    async fn list(&self, after: Option<&After>, limit: u32) -> Result<Vec<TenantRecord>> {
        let (at, id) = behind(after);
        let sql = "SELECT id, name, created_at FROM tenants WHERE (created_at, id) > ($1, $2) \
             ORDER BY created_at, id LIMIT $3";
        self.rows(sql, &[at.into(), id.into(), i64::from(limit).into()], tenant).await
    }

    async fn delete(&self, id: &TenantId) -> Result<bool> {
        let removed = self.execute("DELETE FROM tenants WHERE id = $1", &[id.as_str().into()]).await?;
        self.destroy_traces().await;
        Ok(removed > 0)
    }
}

fn tenant(row: &Row) -> Result<TenantRecord> {
    Ok(TenantRecord {
        id: row.text("id")?.into(),
        name: row.text("name")?,
        created_at: row.time("created_at")?,
    })
}
