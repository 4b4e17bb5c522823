//! API keys: made once, shown once, revoked for good.

use super::{Listing, ListingRequest};
use crate::domain::{CredentialId, Failure, KeyId, Result, Scopes, TenantId, Text, Timestamp};

/// A key as it is shown; never its secret.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its public part.
    pub id: KeyId,
    /// A name for people.
    pub name: Text,
    /// What it may do.
    pub scopes: Scopes,
    /// The only credentials it may name; `None` means all.
    pub credential_ids: Option<Vec<CredentialId>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// A name for people.
    pub name: Text,
    /// What it may do; at least one.
    pub scopes: Scopes,
    /// The only credentials it may name.
    pub credential_ids: Option<Vec<CredentialId>>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// The operator's view of keys.
pub struct Keys {}

impl Keys {
    /// Makes a key; the text is the whole secret and is nowhere else.
    /// Fails with `tenant_not_found`, `validation_failed`.
    pub async fn create(&self, tenant: &TenantId, draft: KeyDraft) -> Result<(Key, secrecy::SecretString)> {
        Err(Failure::internal("not built"))
    }
    /// Lists a tenant's keys, oldest first. Fails with `tenant_not_found`.
    pub async fn list(&self, tenant: &TenantId, request: &ListingRequest) -> Result<Listing<Key>> {
        Err(Failure::internal("not built"))
    }
    /// Revokes a key. Fails with `tenant_not_found`, `key_not_found`.
    pub async fn revoke(&self, tenant: &TenantId, id: &KeyId) -> Result<()> {
        Err(Failure::internal("not built"))
    }
}
