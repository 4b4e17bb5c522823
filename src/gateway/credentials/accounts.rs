//! Which CRM account each credential's secret was seen to open, so that a replay is not sent to another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{CredentialId, TenantId, Text};
use crate::gateway::writes::Destination;

/// How many credentials are remembered; beyond that any one of them is forgotten.
const MOST: usize = 20_000;

/// The accounts that the last probes showed; they outlive the adapters and end with the process. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Accounts(Arc<Mutex<HashMap<(TenantId, CredentialId), Destination>>>);

/// A credential's way to its account.
#[derive(Clone)]
pub(super) struct AccountSource {
    accounts: Accounts,
    key: (TenantId, CredentialId),
    base_url: Text,
    secret: Text,
}

impl Accounts {
    pub(super) fn way(
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
        self.known().remove(&(tenant.clone(), id.clone()));
    }

    pub(super) fn forget_all(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(TenantId, CredentialId), Destination>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccountSource {
    /// Where it leads, as far as it is known.
    pub(super) fn destination(&self) -> Destination {
        let known = self.accounts.known();
        let known = known
            .get(&self.key)
            .filter(|known| known.base_url == self.base_url && known.secret == self.secret);
        known.cloned().unwrap_or_else(|| self.to(None))
    }

    /// Notes that it led to the account of this id.
    pub(super) fn led_to(&self, account_id: &Text) {
        let mut known = self.accounts.known();
        if known.len() >= MOST
            && !known.contains_key(&self.key)
            && let Some(any) = known.keys().next().cloned()
        {
            known.remove(&any);
        }
        known.insert(self.key.clone(), self.to(Some(account_id.clone())));
    }

    fn to(&self, account_id: Option<Text>) -> Destination {
        Destination { base_url: self.base_url.clone(), secret: self.secret.clone(), account_id }
    }
}
