//! Tenants in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::Sqlite;
use super::row::{behind, refused, text, time, unavailable};
use crate::domain::{Result, TenantId};
use crate::store::{After, TenantRecord, TenantStore};

#[async_trait]
impl TenantStore for Sqlite {
    async fn insert(&self, tenant: &TenantRecord) -> Result<()> {
        let TenantRecord { id, name, created_at } = tenant;
        sqlx::query("INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3)")
            .bind(id.as_str())
            .bind(name.as_str())
            .bind(created_at.as_millisecond())
            .execute(&self.0)
            .await
            .map_err(refused)?;
        Ok(())
    }

    async fn get(&self, id: &TenantId) -> Result<Option<TenantRecord>> {
        let row = sqlx::query("SELECT id, name, created_at FROM tenants WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.0)
            .await
            .map_err(unavailable)?;
        row.as_ref().map(tenant).transpose()
    }

    async fn find(&self, name: &str) -> Result<Option<TenantRecord>> {
        let row = sqlx::query("SELECT id, name, created_at FROM tenants WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.0)
            .await
            .map_err(unavailable)?;
        row.as_ref().map(tenant).transpose()
    }

    async fn list(&self, after: Option<&After>, limit: u32) -> Result<Vec<TenantRecord>> {
        let (at, id) = behind(after);
        let rows = sqlx::query(
            "SELECT id, name, created_at FROM tenants WHERE (created_at, id) > ($1, $2) \
             ORDER BY created_at, id LIMIT $3",
        )
        .bind(at)
        .bind(id)
        .bind(i64::from(limit))
        .fetch_all(&self.0)
        .await
        .map_err(unavailable)?;
        rows.iter().map(tenant).collect()
    }

    async fn delete(&self, id: &TenantId) -> Result<bool> {
        let done = sqlx::query("DELETE FROM tenants WHERE id = $1")
            .bind(id.as_str())
            .execute(&self.0)
            .await
            .map_err(unavailable)?;
        self.destroy_traces().await;
        Ok(done.rows_affected() > 0)
    }
}

fn tenant(row: &SqliteRow) -> Result<TenantRecord> {
    Ok(TenantRecord {
        id: text(row, "id")?.into(),
        name: text(row, "name")?,
        created_at: time(row, "created_at")?,
    })
}
