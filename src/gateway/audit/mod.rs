//! The audit: who did what, to what, and how it ended. It holds names of fields, never values.
//!
//! An operation begins an [`Entry`] and ends it with its outcome. A record that cannot be stored does not make a completed
//! write fail: storing it is retried, then the record is logged.

mod entry;
pub(super) mod fields;
mod refusals;
mod retention;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::Mutex;

pub(in crate::gateway) use self::entry::Entry;
use self::refusals::Refusals;
use super::listing::ListScope;
use super::{Listing, ListingRequest, names};
use crate::domain::{Actor, Principal, Result, TenantId, Text, Timestamp, string_enum};
use crate::sealing::Sealer;
use crate::store::{AuditQuery, AuditRecord, AuditStore, now};

string_enum! {
    /// The operations that the audit records.
    pub enum Action {
        ContactCreate = "contact.create",
        ContactUpdate = "contact.update",
        ContactUpsert = "contact.upsert",
        ContactDelete = "contact.delete",
        CredentialCreate = "credential.create",
        CredentialUpdate = "credential.update",
        CredentialDelete = "credential.delete",
        /// A check by the operator. Those of tenants are not recorded.
        CredentialCheck = "credential.check",
        KeyCreate = "key.create",
        KeyRevoke = "key.revoke",
        TenantCreate = "tenant.create",
        TenantDelete = "tenant.delete",
        /// Stored secrets are sealed again under another master key.
        MasterKeyRotate = "master_key.rotate",
        /// The operator signed in to the operator page.
        OperatorSignIn = "operator.sign_in",
        AuthenticationRefuse = "authentication.refuse",
    }
}

/// Selects records. `None` means no restriction.
#[derive(Clone, Debug)]
pub struct AuditRequest {
    pub tenant: Option<TenantId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub action: Option<Action>,
    pub listing: ListingRequest,
}

/// Records operations. Clones share everything.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn AuditStore>,
    sealer: Arc<Sealer>,
    refusals: Arc<Mutex<Refusals>>,
}

impl Audit {
    #[must_use]
    pub fn new(store: Arc<dyn AuditStore>, sealer: Arc<Sealer>) -> Self {
        Self { store, sealer, refusals: Arc::default() }
    }

    /// Lists records, newest first. Fails with `invalid_parameter` for an invalid cursor.
    pub async fn list(&self, request: &AuditRequest) -> Result<Listing<AuditRecord>> {
        let AuditRequest { tenant, from, to, action, listing } = request;
        let scope = ListScope { sealer: &self.sealer, of: "audit", owner: "" };
        let query = AuditQuery {
            tenant: tenant.clone(),
            from: *from,
            to: *to,
            action: action.map(|action| Text::from_static(action.as_str())),
            after: scope.after(listing)?,
            limit: listing.page_size + 1,
        };
        Ok(scope.cut(self.store.list(&query).await?, listing))
    }

    /// Records that the operator signed in to the operator page.
    pub async fn signed_in(&self, actor: &Actor) -> Result<()> {
        self.begin(actor, Action::OperatorSignIn, None).end(Ok(())).await
    }

    pub(super) fn begin(&self, actor: &Actor, action: Action, tenant: Option<&TenantId>) -> Entry {
        let (kind, id) = named(&actor.principal);
        let record = record(kind, id, action, actor.request_id.clone());
        Entry::new(Arc::clone(&self.store), AuditRecord { tenant: tenant.cloned(), ..record })
    }
}

/// The kind and id of the caller in a record.
fn named(principal: &Principal) -> (&'static str, Option<Text>) {
    match principal {
        Principal::Key(id) => ("key", Some(id.as_str().into())),
        Principal::Token { issuer, subject: None } => ("token", Some(issuer.clone())),
        Principal::Token { issuer, subject: Some(subject) } => {
            ("token", Some(format!("{} {}", issuer.as_str(), subject.as_str()).into()))
        }
        Principal::Operator => ("operator", None),
        Principal::CommandLine => ("cli", None),
    }
}

/// A record of the current time without an outcome.
fn record(kind: &'static str, id: Option<Text>, action: Action, request_id: Option<Text>) -> AuditRecord {
    AuditRecord {
        id: names::new_id("aud").into(),
        at: now(),
        actor_kind: Text::from_static(kind),
        actor_id: id,
        tenant: None,
        action: Text::from_static(action.as_str()),
        target: None,
        fields: Vec::new(),
        outcome: Text::from_static(entry::CUT_OFF),
        request_id,
    }
}
