//! Sealed secrets as rotation of the master key sees them: by the head of the blob, over all tenants.

use async_trait::async_trait;

use crate::domain::{CredentialId, Result, TenantId, Text};

/// One credential's sealed secret, with all that it is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// Whose it is.
    pub tenant: TenantId,
    /// The credential's id.
    pub id: CredentialId,
    /// The base URL that it is bound to.
    pub base_url: Text,
    /// The sealed secret.
    pub secret: Vec<u8>,
    /// How often the credential was changed.
    pub revision: i64,
}

/// Behind which secret a listing goes on: secrets come by tenant, then by credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedAfter {
    /// The last tenant seen.
    pub tenant: TenantId,
    /// The last credential seen.
    pub id: CredentialId,
}

/// Sealed secrets in the database. A `head` is the beginning of a blob that names the key (`Sealer::head`).
#[async_trait]
pub trait SealedStore: Send + Sync {
    /// At most `limit` secrets behind `after` that do not begin with `head`.
    async fn unlike(&self, head: &[u8], after: Option<&SealedAfter>, limit: u32)
    -> Result<Vec<SealedRecord>>;
    /// Puts `secret` in the place of `held.secret`, provided that nothing of the credential was changed since it was
    /// read; counts the revision up, so that nobody writes the former secret back. Answers whether it did.
    async fn reseal(&self, held: &SealedRecord, secret: &[u8]) -> Result<bool>;
    /// The heads that occur, each `length` bytes long, and how many secrets begin with each.
    async fn heads(&self, length: usize) -> Result<Vec<(Vec<u8>, u64)>>;
}
