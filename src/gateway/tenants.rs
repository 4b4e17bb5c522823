//! Tenants: who owns credentials and keys.

use super::{Listing, ListingRequest};
use crate::domain::{Failure, Result, TenantId, Text, Timestamp};

/// A tenant as it is shown.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id, `ten_…`.
    pub id: TenantId,
    /// Its unique name.
    pub name: Text,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The operator's view of tenants.
pub struct Tenants {}

impl Tenants {
    /// Makes a tenant. Fails with `name_taken`, `validation_failed`.
    pub async fn create(&self, name: &str) -> Result<Tenant> {
        Err(Failure::internal("not built"))
    }
    /// Lists tenants, oldest first.
    pub async fn list(&self, request: &ListingRequest) -> Result<Listing<Tenant>> {
        Err(Failure::internal("not built"))
    }
    /// One tenant. Fails with `tenant_not_found`.
    pub async fn get(&self, id: &TenantId) -> Result<Tenant> {
        Err(Failure::internal("not built"))
    }
    /// Removes a tenant with its credentials, secrets and keys. Fails with `tenant_not_found`.
    pub async fn delete(&self, id: &TenantId) -> Result<()> {
        Err(Failure::internal("not built"))
    }
}
