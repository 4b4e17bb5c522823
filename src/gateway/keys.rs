//! API keys: created once, shown once, revoked permanently.

use std::sync::Arc;

use secrecy::SecretString;

use super::audit::{Action, Audit};
use super::{Listing, ListingRequest, listing, names, tenants};
use crate::auth::{ApiKey, Authenticator};
use crate::domain::bounds::KEY_CREDENTIALS_MOST;
use crate::domain::{
    Actor, CredentialId, Failure, FailureKind, Faults, FieldFault, KeyId, Result, Scope, Scopes, TenantId,
    Text, Timestamp,
};
use crate::sealing::Sealer;
pub use crate::store::KeyRecord;
use crate::store::{CredentialStore, KeyStore, Store, TenantStore, now};

#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// A name for people.
    pub name: Text,
    /// The scopes; at least one.
    pub scopes: Scopes,
    /// The only credentials it may name; `None` means all of the tenant.
    pub credential_ids: Option<Vec<CredentialId>>,
    pub expires_at: Option<Timestamp>,
}

impl KeyDraft {
    /// The names of the fields that it sets, for the audit.
    fn fields(&self) -> Vec<Text> {
        let Self { name: _, scopes: _, credential_ids, expires_at } = self;
        let credential_ids = credential_ids.as_ref().map(|_| "credentialIds");
        let expires_at = expires_at.map(|_| "expiresAt");
        ["name", "scopes"]
            .into_iter()
            .chain(credential_ids)
            .chain(expires_at)
            .map(Text::from_static)
            .collect()
    }
}

pub struct ApiKeys {
    store: KeyStore,
    tenants: TenantStore,
    credentials: Arc<dyn CredentialStore>,
    sealer: Arc<Sealer>,
    authenticator: Arc<Authenticator>,
    audit: Audit,
}

impl ApiKeys {
    /// Joins the parts; a revocation is forwarded to `authenticator`.
    #[must_use]
    pub fn new(store: &Store, sealer: Arc<Sealer>, authenticator: Arc<Authenticator>, audit: Audit) -> Self {
        Self {
            store: store.keys.clone(),
            tenants: store.tenants.clone(),
            credentials: store.credentials.clone(),
            sealer,
            authenticator,
            audit,
        }
    }

    /// Creates a key. The returned text is the whole key and is stored nowhere.
    /// Fails with `tenant_not_found`, `validation_failed`, `quota_exceeded`.
    pub async fn create(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        draft: KeyDraft,
    ) -> Result<(KeyRecord, SecretString)> {
        let entry = self.audit.begin(actor, Action::KeyCreate, Some(tenant)).giving(draft.fields());
        entry.end_on(self.add(tenant, draft).await, |(key, _)| Some(key.id.as_str().into())).await
    }

    async fn add(&self, tenant: &TenantId, draft: KeyDraft) -> Result<(KeyRecord, SecretString)> {
        self.known(tenant).await?;
        let name = self.check(tenant, &draft).await?;
        let KeyDraft { name: _, scopes, credential_ids, expires_at } = draft;
        let key = ApiKey::generate()?;
        let record = KeyRecord {
            id: key.id().clone(),
            tenant: tenant.clone(),
            name,
            digest: key.digest(),
            scopes,
            credentials: credential_ids,
            created_at: now(),
            expires_at,
            last_used_at: None,
        };
        self.store.insert(&record).await?;
        self.authenticator.forget(&record.id);
        Ok((record, key.text().clone()))
    }

    /// Lists a tenant's keys, oldest first. Fails with `tenant_not_found`, `invalid_parameter`.
    pub async fn list(&self, tenant: &TenantId, request: &ListingRequest) -> Result<Listing<KeyRecord>> {
        self.known(tenant).await?;
        let scope = listing::ListScope { sealer: &self.sealer, of: "keys", owner: tenant.as_str() };
        let rows = self.store.list(tenant, scope.after(request)?.as_ref(), request.page_size + 1).await?;
        Ok(scope.cut(rows, request))
    }

    /// Revokes a key. Fails with `tenant_not_found`, `key_not_found`.
    pub async fn revoke(&self, actor: &Actor, tenant: &TenantId, id: &KeyId) -> Result<()> {
        let entry = self.audit.begin(actor, Action::KeyRevoke, Some(tenant)).on(id.as_str());
        let removed = async {
            self.known(tenant).await?;
            let existed = self.store.delete(tenant, id).await?;
            self.authenticator.forget(id);
            let unknown = || Failure::new(FailureKind::KeyNotFound, "This tenant has no key with this id.");
            if existed { Ok(()) } else { Err(unknown()) }
        };
        entry.end(removed.await).await
    }

    async fn known(&self, tenant: &TenantId) -> Result<()> {
        self.tenants.get(tenant).await?.map(|_| ()).ok_or_else(tenants::not_found)
    }

    /// Checks the draft and reports every fault. Returns the trimmed name.
    async fn check(&self, tenant: &TenantId, draft: &KeyDraft) -> Result<Text> {
        let mut faults = Faults::new();
        let name = names::check(&draft.name).map_err(|fault| faults.push(fault)).unwrap_or_default();
        if draft.scopes.as_slice().is_empty() {
            let words = Scope::ALL.map(Scope::as_str).join(", ");
            faults.push(FieldFault::member(
                "/scopes",
                "required",
                format!("`scopes` must name at least one of: {words}."),
            ));
        }
        if draft.expires_at.is_some_and(|end| end <= now()) {
            faults.push(FieldFault::member(
                "/expiresAt",
                "in_the_past",
                "`expiresAt` must be in the future.",
            ));
        }
        if let Some(ids) = &draft.credential_ids {
            self.check_credentials(tenant, ids, &mut faults).await?;
        }
        if faults.is_empty() { Ok(name) } else { Err(Failure::validation(faults)) }
    }

    async fn check_credentials(
        &self,
        tenant: &TenantId,
        ids: &[CredentialId],
        faults: &mut Faults,
    ) -> Result<()> {
        if ids.is_empty() || ids.len() > KEY_CREDENTIALS_MOST {
            let detail = format!(
                "`credentialIds` must name 1 to {KEY_CREDENTIALS_MOST} credentials; omit it to allow all of them."
            );
            faults.push(FieldFault::member("/credentialIds", "malformed", detail));
            return Ok(());
        }
        for (index, id) in ids.iter().enumerate() {
            if self.credentials.get(tenant, id).await?.is_none() {
                faults.push(FieldFault::member(
                    format!("/credentialIds/{index}"),
                    "unknown_credential",
                    "The tenant has no credential with this id.",
                ));
            }
        }
        Ok(())
    }
}
