//! The CRM account of each credential's secret, so that a replay is not sent to another account.

use moka::sync::Cache;

use crate::domain::{CredentialId, TenantId, Text};
use crate::gateway::writes::Destination;

const MOST: u64 = 20_000;

/// The accounts of the last probes. They outlive the adapters, and end with the process. Clones share them.
#[derive(Clone)]
pub(super) struct Accounts(Cache<(TenantId, CredentialId), Destination>);

#[derive(Clone)]
pub(super) struct AccountSource {
    accounts: Accounts,
    key: (TenantId, CredentialId),
    base_url: Text,
    /// Digest of the secret.
    secret: Text,
}

impl Default for Accounts {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Accounts {
    /// The account of the secret with this digest.
    pub(super) fn source(
        &self,
        tenant: &TenantId,
        id: &CredentialId,
        base_url: &str,
        secret: Text,
    ) -> AccountSource {
        let key = (tenant.clone(), id.clone());
        AccountSource { accounts: self.clone(), key, base_url: base_url.into(), secret }
    }

    pub(super) fn forget(&self, tenant: &TenantId, id: &CredentialId) {
        self.0.invalidate(&(tenant.clone(), id.clone()));
    }

    pub(super) fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

impl AccountSource {
    /// The account, as far as it is known.
    pub(super) fn destination(&self) -> Destination {
        let known = self.accounts.0.get(&self.key);
        let known = known.filter(|known| known.base_url == self.base_url && known.secret == self.secret);
        known.unwrap_or_else(|| self.to(None))
    }

    /// Stores that the secret belongs to the account with this id.
    pub(super) fn opened(&self, account_id: &Text) {
        self.accounts.0.insert(self.key.clone(), self.to(Some(account_id.clone())));
    }

    fn to(&self, account_id: Option<Text>) -> Destination {
        Destination { base_url: self.base_url.clone(), secret: self.secret.clone(), account_id }
    }
}
