//! Tenants in the database.

use std::sync::Arc;

use super::row::behind;
use super::{Row, Sql};
use crate::domain::{Result, TenantId};
use crate::store::{After, TenantRecord, Usage};

/// Tenants in the database; clones share it.
#[derive(Clone)]
pub struct TenantStore(pub(in crate::store) Arc<Sql>);

impl TenantStore {
    /// Adds a tenant. Fails with `name_taken`.
    pub async fn insert(&self, tenant: &TenantRecord) -> Result<()> {
        let TenantRecord { id, name, created_at } = tenant;
        let sql = "INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3)";
        let at = created_at.as_millisecond();
        self.0.write(sql, &[id.as_str().into(), name.as_str().into(), at.into()]).await?;
        Ok(())
    }

    pub async fn get(&self, id: &TenantId) -> Result<Option<TenantRecord>> {
        self.0
            .row("SELECT id, name, created_at FROM tenants WHERE id = $1", &[id.as_str().into()], tenant)
            .await
    }

    /// What the tenant has stored, and its quotas.
    pub async fn usage(&self, id: &TenantId) -> Result<Usage> {
        self.0.usage_of(id).await
    }

    /// The tenant with this id if `called` is spelled as an id, else the tenant with this name.
    pub async fn find_either(&self, called: &str) -> Result<Option<TenantRecord>> {
        if TenantId::is_spelled_by(called) { self.get(&called.into()).await } else { self.find(called).await }
    }

    pub async fn find(&self, name: &str) -> Result<Option<TenantRecord>> {
        self.0.row("SELECT id, name, created_at FROM tenants WHERE name = $1", &[name.into()], tenant).await
    }

    /// At most `limit` tenants after `after`, oldest first.
    pub async fn list(&self, after: Option<&After>, limit: u32) -> Result<Vec<TenantRecord>> {
        let (at, id) = behind(after);
        let sql = "SELECT id, name, created_at FROM tenants WHERE (created_at, id) > ($1, $2) \
             ORDER BY created_at, id LIMIT $3";
        self.0.rows(sql, &[at.into(), id.into(), i64::from(limit).into()], tenant).await
    }

    /// Removes a tenant with its keys, credentials and their secrets. Returns whether there was one.
    pub async fn delete(&self, id: &TenantId) -> Result<bool> {
        let removed = self.0.execute("DELETE FROM tenants WHERE id = $1", &[id.as_str().into()]).await?;
        self.0.destroy_traces().await;
        Ok(removed > 0)
    }
}

pub(super) fn tenant(row: &Row) -> Result<TenantRecord> {
    Ok(TenantRecord {
        id: row.text("id")?.into(),
        name: row.text("name")?,
        created_at: row.time("created_at")?,
    })
}
