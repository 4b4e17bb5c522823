//! Contacts in the CRMs: list, count, get, create, update, upsert, delete.

mod compare;
mod condition;
mod create;
mod cursor;
mod declared;
mod delete;
mod describe;
mod dry_run;
mod errors;
mod export;
mod export_permits;
mod filters;
mod ids;
mod if_match;
mod incomplete;
mod list;
mod new_values;
mod operation;
mod partial_reads;
mod recovery;
mod recovery_worker;
mod request;
mod scan;
mod search;
mod update;
mod upsert;
mod verify;
mod walk;

use std::sync::Arc;

pub use self::condition::Condition;
use self::cursor::Cursors;
pub use self::describe::{FieldsDescription, KnowledgeSource, RemoteFieldDescription};
pub use self::dry_run::{DryRun, DryRunBuilder, PlannedCall};
pub use self::export::{ContactExport, ExportEnd, ExportPart, ExportRequest};
use self::export_permits::ExportPermits;
use self::incomplete::incomplete;
use self::request::{ContactWrite, WriteDeps};
pub use self::request::{ResponseBuilder, WriteRequest};
use self::search::SearchPermits;
pub use self::search::{
    FoundContact, FoundPerson, SEARCHED_MOST, SearchBy, SearchRequest, SearchResult, Shortfall,
};
use super::Credentials;
use super::audit::{Action, Audit, Entry, fields};
use super::writes::{Ledger, Locks, SharedLocks, StoredResponse};
use crate::adapters::IdentityKind;
use crate::blocking;
use crate::config::Limits;
use crate::domain::{
    Actor, CallContext, Caller, Contact, ContactDraft, ContactPatch, ContactQuery, ContactUpsert,
    CredentialId, FilterName, Result, Scope, Text, Warning,
};
use crate::sealing::Sealer;

/// A contact with the gateway's id.
#[derive(Clone, Debug)]
pub struct ContactView {
    /// The gateway's id, `con_…`.
    pub id: Text,
    pub contact: Contact,
    pub warnings: Vec<Warning>,
    /// What an upsert did; `None` for other operations.
    pub outcome: Option<UpsertOutcome>,
    /// The strong entity tag, quotes included; `None` if the contact was not read by its id.
    pub tag: Option<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpsertOutcome {
    /// No contact matched, so one was created.
    Created,
    /// One contact matched and was updated.
    Updated,
}

#[derive(Clone, Debug)]
pub struct ListRequest {
    pub query: ContactQuery,
    pub start: PageStart,
    /// 1 to 100.
    pub page_size: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// The first page of a walk through all contacts.
    First,
    /// A page of the CRM's list as it is now, counted from 1.
    PageNumber(u64),
    /// The `nextCursor` of an earlier page.
    Cursor(Text),
}

#[derive(Clone, Debug)]
pub struct ContactPage {
    /// The gateway's id and the contact.
    pub contacts: Vec<(Text, Contact)>,
    /// The page's number, if it is the first or was requested by number.
    pub page_number: Option<u64>,
    /// The requested size.
    pub page_size: u32,
    /// The cursor of the next page; `None` at the end.
    pub next_cursor: Option<Text>,
    /// How many contacts match in all, if the CRM shows it.
    pub total: Option<u64>,
    /// Filters that the CRM applied.
    pub pushed_down: Vec<FilterName>,
    /// Filters that the gateway applied.
    pub applied_here: Vec<FilterName>,
    pub warnings: Vec<Warning>,
}

impl ContactPage {
    /// The approximate size of its texts in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.contacts.iter().map(|(_, contact)| contact.size()).sum()
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Fail instead of warning if a value cannot be stored.
    pub strict: bool,
}

/// State of the background tasks between two rounds of a test.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Watched(super::writes::LeaseWatch);

pub struct Contacts {
    deps: WriteDeps,
    cursors: Cursors,
    exports: ExportPermits,
    audit: Audit,
    /// The lookups of searches.
    lookups: SearchPermits,
}

impl Contacts {
    /// Contacts behind `credentials`. `sealer` authenticates cursors; `ledger` stores writes with a key.
    #[must_use]
    pub fn new(
        credentials: Credentials,
        sealer: Arc<Sealer>,
        audit: Audit,
        ledger: Ledger,
        replicas: SharedLocks,
        limits: &Limits,
    ) -> Self {
        let deps = WriteDeps { credentials, locks: Locks::new(replicas), ledger, settle: limits.settle };
        Self {
            deps,
            cursors: Cursors::new(sealer),
            exports: ExportPermits::default(),
            audit,
            lookups: SearchPermits::new(limits),
        }
    }

    /// Searches for lost creates whose callers have not retried, and stores their outcome. Never sends. Also
    /// releases the locks of dead processes. Runs until it is dropped.
    pub async fn settle_lost_creates(&self) {
        tokio::join!(recovery_worker::run(&self.deps), self.deps.ledger.watch_leases());
    }

    /// One round of each background task, for tests.
    #[cfg(test)]
    pub(crate) async fn background_round(&self, watched: &mut Watched) -> Result<()> {
        self.deps.ledger.watch_once(&mut watched.0).await?;
        recovery_worker::round(&self.deps).await
    }

    /// Returns one page of a list. Needs `contacts:read`.
    pub async fn list(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        request: &ListRequest,
    ) -> Result<ContactPage> {
        caller.require(Scope::ContactsRead)?;
        let opened = self.deps.credentials.open(context, caller, credential).await?;
        let _permit = opened.account.enter(context).await?;
        let page = list::list(context, caller, &opened, &self.cursors, request).await;
        opened.note(&page);
        let page = page?;
        context.record.note_warnings(&page.warnings);
        Ok(page)
    }

    /// Begins an export of all contacts that match, and reads its first rows. It takes no permit of the credential's requests:
    /// it has limits of its own. Needs `contacts:read`.
    pub async fn export(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        request: ExportRequest,
    ) -> Result<ContactExport> {
        caller.require(Scope::ContactsRead)?;
        let opened = self.deps.credentials.open(context, caller, credential).await?;
        let permit = self.exports.take(&caller.tenant, credential)?;
        ContactExport::begin(context, &caller.tenant, opened, &self.cursors, request, permit).await
    }

    /// Returns how many contacts match. Needs `contacts:read`.
    pub async fn count(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        query: &ContactQuery,
    ) -> Result<u64> {
        caller.require(Scope::ContactsRead)?;
        let opened = self.deps.credentials.open(context, caller, credential).await?;
        let _permit = opened.account.enter(context).await?;
        let count = list::count(context, &opened, query).await;
        opened.note(&count);
        count
    }

    /// Returns one contact, by the gateway's id or the CRM's. Needs `contacts:read`.
    pub async fn get(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        id: &str,
    ) -> Result<ContactView> {
        caller.require(Scope::ContactsRead)?;
        let opened = self.deps.credentials.open(context, caller, credential).await?;
        let remote_id = ids::open(&opened.id, id)?;
        let _permit = opened.account.enter(context).await?;
        let contact = opened.adapter.get_contact(context, &remote_id).await;
        opened.note(&contact);
        let contact = contact?;
        let tag = blocking::within(context, contact.size(), || condition::tag(&opened, &contact)).await?;
        let warnings = Warning::bounded(incomplete(&contact));
        context.record.note_warnings(&warnings);
        Ok(ContactView {
            id: ids::make(&opened.id, &contact.remote_id),
            warnings,
            contact,
            outcome: None,
            tag: Some(tag),
        })
    }

    /// Searches for people over several credentials at once. Needs `contacts:read`.
    pub async fn search(
        &self,
        context: &CallContext,
        caller: &Caller,
        request: &SearchRequest,
    ) -> Result<SearchResult> {
        caller.require(Scope::ContactsRead)?;
        let found = search::search(context, caller, &self.deps.credentials, &self.lookups, request).await?;
        context.record.note_codes(found.shortfalls.iter().map(|shortfall| shortfall.code));
        Ok(found)
    }

    /// Describes the fields of the credential's account. Needs `contacts:read`. A source that cannot be read is a warning.
    pub async fn fields(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
    ) -> Result<FieldsDescription> {
        caller.require(Scope::ContactsRead)?;
        let opened = self.deps.credentials.open(context, caller, credential).await?;
        let _permit = opened.account.enter(context).await?;
        let described = Ok(describe::describe(context, &opened).await);
        opened.note(&described);
        described
    }

    /// Creates a contact. Needs `contacts:write`.
    pub async fn create(&self, request: WriteRequest, draft: ContactDraft) -> Result<StoredResponse> {
        let entry = self.begin(&request, Action::ContactCreate).giving(fields::of_draft(&draft));
        request.run(self.deps.clone(), entry, ContactWrite::Create(draft)).await
    }

    /// Updates a contact. Needs `contacts:write`.
    pub async fn update(
        &self,
        request: WriteRequest,
        id: &str,
        patch: ContactPatch,
    ) -> Result<StoredResponse> {
        let entry = self.begin(&request, Action::ContactUpdate).on(id).giving(fields::of_patch(&patch));
        request.run(self.deps.clone(), entry, ContactWrite::Update(id.into(), patch)).await
    }

    /// Updates the contact that has one of the body's addresses or numbers, or creates one. `match_on` says
    /// which of them are searched for; by default those that identify contacts in the CRM. Needs
    /// `contacts:write`.
    pub async fn upsert(
        &self,
        request: WriteRequest,
        upsert: ContactUpsert,
        match_on: Option<Vec<IdentityKind>>,
    ) -> Result<StoredResponse> {
        let entry = self.begin(&request, Action::ContactUpsert).giving(fields::of_patch(&upsert.patch));
        request.run(self.deps.clone(), entry, ContactWrite::Upsert(Box::new(upsert), match_on)).await
    }

    /// Deletes a contact. Needs `contacts:write`.
    pub async fn delete(&self, request: WriteRequest, id: &str) -> Result<StoredResponse> {
        let entry = self.begin(&request, Action::ContactDelete).on(id);
        request.run(self.deps.clone(), entry, ContactWrite::Delete(id.into())).await
    }

    fn begin(&self, request: &WriteRequest, action: Action) -> Entry {
        let WriteRequest { context, caller, .. } = request;
        self.audit.begin(&Actor::of(caller, context), action, Some(&caller.tenant))
    }
}
