//! The stored records, and the trait of the credential store.

use async_trait::async_trait;

use crate::config::Quotas;
use crate::domain::{CredentialId, FailureKind, KeyId, Result, Scopes, TenantId, Text, Timestamp};

/// The current time in whole milliseconds, so that a stored time is equal when it is read again.
#[must_use]
pub fn now() -> Timestamp {
    let now = crate::clock::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    pub id: TenantId,
    /// Unique among tenants.
    pub name: Text,
    pub created_at: Timestamp,
}

/// What a tenant has stored, and its quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The number of stored writes under an `Idempotency-Key`.
    pub ledger_rows: u64,
    /// Their bytes.
    pub ledger_bytes: u64,
    pub credentials: u64,
    pub api_keys: u64,
    pub audit_records: u64,
    pub limits: Quotas,
}

/// An API key, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The public part of the key.
    pub id: KeyId,
    pub tenant: TenantId,
    /// A name for people.
    pub name: Text,
    /// SHA-256 of the whole key.
    pub digest: [u8; 32],
    pub scopes: Scopes,
    /// The only credentials that the key may name; `None` means all of the tenant.
    pub credentials: Option<Vec<CredentialId>>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// The last use, in whole minutes.
    pub last_used_at: Option<Timestamp>,
}

/// A credential with its sealed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRecord {
    pub id: CredentialId,
    pub tenant: TenantId,
    /// The provider, such as `aptly`.
    pub provider: Text,
    /// Unique in the tenant.
    pub name: Text,
    /// A JSON object.
    pub settings: Text,
    /// The base URL of the CRM, as `BaseUrl` writes it.
    pub base_url: Text,
    pub secret: Vec<u8>,
    /// The number of changes. An update of another revision is refused.
    pub revision: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_check: Option<CheckRecord>,
}

/// The result of a check of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRecord {
    pub at: Timestamp,
    /// Since when `ok` and [`Self::health`] have been the same.
    pub since: Timestamp,
    pub ok: bool,
    /// The code of the failure; `None` if the check succeeded.
    pub code: Option<Text>,
}

impl CheckRecord {
    /// The result of a check now, after `last`.
    #[must_use]
    pub fn after(last: Option<&Self>, code: Option<Text>) -> Self {
        let at = now();
        let mut check = Self { at, since: at, ok: code.is_none(), code };
        if let Some(last) = last.filter(|last| !check.differs_from(last)) {
            check.since = last.since;
        }
        check
    }

    /// Whether it says something else about the credential than `last`.
    #[must_use]
    pub fn differs_from(&self, last: &Self) -> bool {
        (self.ok, self.health()) != (last.ok, last.health())
    }

    /// Whether the credential works, as far as the check tells: a CRM that is down says nothing about the credential.
    #[must_use]
    pub fn health(&self) -> Option<bool> {
        health(self.ok, self.code.as_deref())
    }
}

/// [`CheckRecord::health`] of a check with this result.
pub(super) fn health(ok: bool, code: Option<&str>) -> Option<bool> {
    let is_refused = || FailureKind::CREDENTIAL_REFUSALS.iter().any(|kind| code == Some(kind.code()));
    (ok || is_refused()).then_some(ok)
}

/// The row before the next page. Rows are ordered by creation time, then id.
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
    /// The tenant's credential with this id. There is no other way to load a credential.
    async fn get(&self, tenant: &TenantId, id: &CredentialId) -> Result<Option<CredentialRecord>>;
    /// At most `limit` credentials of the tenant after `after`, oldest first.
    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<CredentialRecord>>;
    /// Writes name, settings, base URL, secret, times and last check of the tenant's credential, if its revision is
    /// still `credential.revision`, and increments the revision. Returns whether it did.
    /// Fails with `name_taken`.
    async fn update(&self, credential: &CredentialRecord) -> Result<bool>;
    /// Stores the result of a check, unless the credential was changed since `revision`.
    async fn note_check(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        revision: i64,
        check: &CheckRecord,
    ) -> Result<()>;
    /// Stores what calls showed, if it differs from the stored result, and the credential was not changed since `revision`.
    /// Returns whether it did.
    async fn note_change(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        revision: i64,
        check: &CheckRecord,
    ) -> Result<bool>;
    /// Removes the tenant's credential and its secret. Returns whether there was one.
    async fn delete(&self, tenant: &TenantId, id: &CredentialId) -> Result<bool>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_as_old_as_the_first_check_that_says_the_same() {
        let earlier = |ok, code: Option<&str>| {
            let since = Timestamp::from_millisecond(7).unwrap();
            CheckRecord { at: since, since, ok, code: code.map(Text::from) }
        };
        let (refused, denied) = ("upstream_credential_rejected", "upstream_permission_denied");
        for (last, code, is_same) in [
            (earlier(true, None), None, true),
            (earlier(true, None), Some(refused), false),
            (earlier(false, Some(refused)), Some(denied), true),
            // A CRM that is down says nothing, neither after a refusal nor before one.
            (earlier(false, Some(refused)), Some("upstream_error"), false),
            (earlier(false, Some("upstream_error")), Some(refused), false),
            (earlier(false, Some("upstream_error")), Some("upstream_tls"), true),
        ] {
            let check = CheckRecord::after(Some(&last), code.map(Text::from));
            assert_eq!(check.since == last.since, is_same, "{last:?} then {code:?}");
            assert_eq!(check.differs_from(&last), !is_same);
        }
    }
}
