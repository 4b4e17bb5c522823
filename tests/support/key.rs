//! The record of a tenant's API key, as the store holds it.

use contacts_gateway::auth::ApiKey;
use contacts_gateway::domain::{Scope, Scopes, TenantId};
use contacts_gateway::store::{KeyRecord, now};

/// A key that may do everything and never expires.
pub(crate) fn record(key: &ApiKey, tenant: TenantId) -> KeyRecord {
    KeyRecord {
        id: key.id().clone(),
        tenant,
        name: "key".into(),
        digest: key.digest(),
        scopes: Scopes::new(&Scope::ALL),
        credentials: None,
        created_at: now(),
        expires_at: None,
        last_used_at: None,
    }
}
