//! The rows that are remembered, and the traits by which they are reached.

use async_trait::async_trait;

use crate::config::Quotas;
use crate::domain::{CredentialId, KeyId, Result, Scopes, TenantId, Text, Timestamp};

/// Now, to the millisecond: what is stored and read again stays equal.
#[must_use]
pub fn now() -> Timestamp {
    let now = crate::clock::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    pub id: TenantId,
    /// Its name, unique among tenants.
    pub name: Text,
    pub created_at: Timestamp,
}

/// What a tenant has stored, and what it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Writes under an `Idempotency-Key` that are kept.
    pub ledger_rows: u64,
    /// What they count for, in bytes.
    pub ledger_bytes: u64,
    pub credentials: u64,
    pub api_keys: u64,
    pub audit_records: u64,
    pub limits: Quotas,
}

/// An API key, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its public part.
    pub id: KeyId,
    pub tenant: TenantId,
    /// A name for people.
    pub name: Text,
    /// SHA-256 of the key's whole text.
    pub digest: [u8; 32],
    pub scopes: Scopes,
    /// The only credentials it may name; `None` means all of the tenant's.
    pub credentials: Option<Vec<CredentialId>>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// A credential, its secret sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRecord {
    pub id: CredentialId,
    pub tenant: TenantId,
    /// The provider's word.
    pub provider: Text,
    /// Its name, unique in the tenant.
    pub name: Text,
    /// Its settings, a JSON object.
    pub settings: Text,
    /// Where its CRM is, as the guard spells it.
    pub base_url: Text,
    pub secret: Vec<u8>,
    /// How often it was changed: a change of what another has changed meanwhile is refused.
    pub revision: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_check: Option<CheckRecord>,
}

/// How a check of a credential went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRecord {
    pub at: Timestamp,
    pub ok: bool,
    /// The failure's code where it did not.
    pub code: Option<Text>,
}

/// Behind which row a listing goes on: rows come by the time they were made, then by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    pub created_at: Timestamp,
    pub id: Text,
}

/// Credentials in the database.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// Adds a credential. Fails with `name_taken`, `tenant_not_found`, `quota_exceeded`.
    async fn insert(&self, credential: &CredentialRecord) -> Result<()>;
    /// The tenant's credential with this id: the one way to load a credential.
    async fn get(&self, tenant: &TenantId, id: &CredentialId) -> Result<Option<CredentialRecord>>;
    /// At most `limit` credentials of the tenant behind `after`, oldest first.
    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<CredentialRecord>>;
    /// Writes name, settings, base URL, secret, times and last check of the tenant's credential, provided that its
    /// revision is still `credential.revision`; counts the revision up. Answers whether it did.
    /// Fails with `name_taken`.
    async fn update(&self, credential: &CredentialRecord) -> Result<bool>;
    /// Remembers a check, unless the credential was changed since `revision`.
    async fn note_check(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        revision: i64,
        check: &CheckRecord,
    ) -> Result<()>;
    /// Removes the tenant's credential and destroys its secret; whether there was one.
    async fn delete(&self, tenant: &TenantId, id: &CredentialId) -> Result<bool>;
}
