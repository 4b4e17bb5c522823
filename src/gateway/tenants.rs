//! Tenants, the owners of credentials and keys.

use std::sync::Arc;

use super::audit::{Action, Audit};
use super::credentials::CredentialResolver;
use super::listing::ListScope;
use super::{Listing, ListingRequest, names};
use crate::auth::Authenticator;
use crate::domain::{Actor, Failure, FailureKind, Result, TenantId};
use crate::sealing::Sealer;
pub use crate::store::{TenantRecord, Usage};
use crate::store::{TenantStore, now};

pub struct Tenants {
    store: TenantStore,
    sealer: Arc<Sealer>,
    authenticator: Arc<Authenticator>,
    resolver: Arc<CredentialResolver>,
    audit: Audit,
}

impl Tenants {
    /// Joins the parts; a removed tenant is reported to `authenticator` and `resolver`.
    #[must_use]
    pub fn new(
        store: TenantStore,
        sealer: Arc<Sealer>,
        authenticator: Arc<Authenticator>,
        resolver: Arc<CredentialResolver>,
        audit: Audit,
    ) -> Self {
        Self { store, sealer, authenticator, resolver, audit }
    }

    /// Creates a tenant. Fails with `name_taken`, `validation_failed`.
    pub async fn create(&self, actor: &Actor, name: &str) -> Result<TenantRecord> {
        let id = TenantId::from(names::new_id("ten"));
        let entry = self.audit.begin(actor, Action::TenantCreate, Some(&id)).giving(vec!["name".into()]);
        let made = async {
            let name = names::of_tenant(name).map_err(|fault| Failure::validation(vec![fault]))?;
            let tenant = TenantRecord { id, name, created_at: now() };
            self.store.insert(&tenant).await.map(|()| tenant)
        };
        entry.end_on(made.await, |made| Some(made.id.as_str().into())).await
    }

    /// Lists tenants, oldest first. Fails with `invalid_parameter` for an invalid cursor.
    pub async fn list(&self, request: &ListingRequest) -> Result<Listing<TenantRecord>> {
        let scope = ListScope { sealer: &self.sealer, of: "tenants", owner: "" };
        let rows = self.store.list(scope.after(request)?.as_ref(), request.page_size + 1).await?;
        Ok(scope.cut(rows, request))
    }

    /// Returns one tenant. Fails with `tenant_not_found`.
    pub async fn get(&self, id: &TenantId) -> Result<TenantRecord> {
        self.store.get(id).await?.ok_or_else(not_found)
    }

    /// What a tenant has stored, and its quotas. Fails with `store_unavailable`.
    pub async fn usage(&self, id: &TenantId) -> Result<Usage> {
        self.store.usage(id).await
    }

    /// The tenant with this id or this name. Fails with `tenant_not_found`.
    pub async fn find(&self, id_or_name: &str) -> Result<TenantRecord> {
        self.store.find_either(id_or_name.trim()).await?.ok_or_else(|| {
            let detail = format!("There is no tenant with the id or name `{}`.", id_or_name.trim());
            Failure::new(FailureKind::TenantNotFound, detail)
        })
    }

    /// Removes a tenant with its credentials, secrets and keys. Fails with `tenant_not_found`.
    pub async fn delete(&self, actor: &Actor, id: &TenantId) -> Result<()> {
        let entry = self.audit.begin(actor, Action::TenantDelete, Some(id)).on(id.as_str());
        let removed = async {
            let existed = self.store.delete(id).await?;
            self.authenticator.forget_all();
            self.resolver.forget_all();
            if existed { Ok(()) } else { Err(not_found()) }
        };
        entry.end(removed.await).await
    }
}

pub(super) fn not_found() -> Failure {
    Failure::new(FailureKind::TenantNotFound, "There is no tenant with this id.")
}
