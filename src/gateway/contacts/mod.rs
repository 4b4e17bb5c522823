//! Contacts in the CRMs: list, count, get, create, update, upsert, delete.

mod change;
mod compare;
mod create;
mod cursor;
mod declared;
mod filters;
mod ids;
mod intent;
mod list;
mod locks;
mod lost;
mod outcome;
mod settle;
mod steps;
mod sweep;
mod upsert;
mod write;

use std::sync::Arc;

use self::cursor::Cursors;
use self::intent::Intent;
use self::locks::Locks;
use self::write::House;
pub use self::write::{Render, WriteRequest};
use super::Credentials;
use super::audit::{Action, Audit, Entry, fields};
use super::idempotency::{Answer, Ledger};
use super::replicas::SharedLocks;
use crate::adapters::IdentityKind;
use crate::config::Limits;
use crate::domain::{
    Actor, CallContext, Caller, Contact, ContactDraft, ContactPatch, ContactQuery, CredentialId, Field,
    FilterName, Result, Scope, Text, Warning, WarningCode,
};
use crate::sealing::Sealer;

/// A contact with the gateway's id.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The gateway's id, `con_…`.
    pub id: Text,
    /// The contact.
    pub contact: Contact,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// What an upsert did; `None` for anything else.
    pub outcome: Option<UpsertOutcome>,
}

/// What an upsert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpsertOutcome {
    /// Nobody matched: a contact was created.
    Created,
    /// One contact matched and holds what was sent.
    Updated,
}

/// Which contacts, and which part of them.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The filters.
    pub query: ContactQuery,
    /// Where to begin.
    pub start: Start,
    /// 1 to 100.
    pub page_size: u32,
}

/// Where a list begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At a page, counted from 1.
    PageNumber(u64),
    /// Where a list before ended.
    Cursor(Text),
}

/// One page of contacts.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The contacts with their ids.
    pub contacts: Vec<(Text, Contact)>,
    /// The page's number, where it was asked for by number.
    pub page_number: Option<u64>,
    /// The size asked for.
    pub page_size: u32,
    /// The cursor of the next page; `None` at the end.
    pub next_cursor: Option<Text>,
    /// How many match in all, where the CRM tells.
    pub total: Option<u64>,
    /// Filters that the CRM answered.
    pub pushed_down: Vec<FilterName>,
    /// Filters that were applied here.
    pub applied_here: Vec<FilterName>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
}

/// How a write shall be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Refuse what could not be stored instead of warning about it.
    pub strict: bool,
}

/// Contacts of the caller's credentials.
pub struct Contacts {
    house: House,
    cursors: Cursors,
    audit: Audit,
}

impl Contacts {
    /// Contacts behind `credentials`; cursors are authenticated by `sealer`, writes under a key noted in `ledger`.
    #[must_use]
    pub fn new(
        credentials: Credentials,
        sealer: Arc<Sealer>,
        audit: Audit,
        ledger: Ledger,
        replicas: SharedLocks,
        limits: &Limits,
    ) -> Self {
        let house = House { credentials, locks: Locks::new(replicas), ledger, settle: limits.settle };
        Self { house, cursors: Cursors::new(sealer), audit }
    }

    /// Looks for lost creates whose callers have not come back, and notes what became of them; never sends. Runs until
    /// it is dropped.
    pub async fn settle_lost_creates(&self) {
        sweep::run(&self.house).await;
    }

    /// One page of a list. Needs `contacts:read`.
    pub async fn list(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        request: &ListRequest,
    ) -> Result<Listed> {
        caller.require(Scope::ContactsRead)?;
        let opened = self.house.credentials.open(caller, credential).await?;
        let _place = opened.account.enter(context).await?;
        list::list(context, caller, &opened, &self.cursors, request).await
    }

    /// How many contacts match. Needs `contacts:read`.
    pub async fn count(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        query: &ContactQuery,
    ) -> Result<u64> {
        caller.require(Scope::ContactsRead)?;
        let opened = self.house.credentials.open(caller, credential).await?;
        let _place = opened.account.enter(context).await?;
        list::count(context, &opened, query).await
    }

    /// One contact, by the gateway's id or the CRM's. Needs `contacts:read`.
    pub async fn get(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        id: &str,
    ) -> Result<Shown> {
        caller.require(Scope::ContactsRead)?;
        let opened = self.house.credentials.open(caller, credential).await?;
        let remote_id = ids::open(&opened.id, id)?;
        let _place = opened.account.enter(context).await?;
        let contact = opened.adapter.get_contact(context, &remote_id).await?;
        Ok(Shown {
            id: ids::make(&opened.id, &contact.remote_id),
            warnings: incomplete([&contact]),
            contact,
            outcome: None,
        })
    }

    /// Creates a contact. Needs `contacts:write`.
    pub async fn create(&self, request: WriteRequest, draft: ContactDraft) -> Result<Answer> {
        self.write(request, Intent::Create(draft)).await
    }

    /// Changes a contact. Needs `contacts:write`.
    pub async fn update(&self, request: WriteRequest, id: &str, patch: ContactPatch) -> Result<Answer> {
        self.write(request, Intent::Update(id.to_owned(), patch)).await
    }

    /// Changes the contact that has one of the draft's addresses or numbers, or creates one. `match_on` says by which
    /// of them it is looked for; without it by those that the CRM tells people apart by. Needs `contacts:write`.
    pub async fn upsert(
        &self,
        request: WriteRequest,
        draft: ContactDraft,
        match_on: Option<Vec<IdentityKind>>,
    ) -> Result<Answer> {
        self.write(request, Intent::Upsert(draft, match_on)).await
    }

    /// Removes a contact. Needs `contacts:write`.
    pub async fn delete(&self, request: WriteRequest, id: &str) -> Result<Answer> {
        self.write(request, Intent::Delete(id.to_owned())).await
    }

    async fn write(&self, request: WriteRequest, intent: Intent) -> Result<Answer> {
        let entry = self.begin(&request.context, &request.caller, &intent);
        request.run_to_its_end(self.house.clone(), intent, entry).await
    }

    fn begin(&self, context: &CallContext, caller: &Caller, intent: &Intent) -> Entry {
        let begin = |action| self.audit.begin(&Actor::of(caller, context), action, Some(&caller.tenant));
        match intent {
            Intent::Create(draft) => begin(Action::ContactCreate).giving(fields::of_draft(draft)),
            Intent::Update(id, patch) => begin(Action::ContactUpdate).on(id).giving(fields::of_patch(patch)),
            Intent::Delete(id) => begin(Action::ContactDelete).on(id),
            Intent::Upsert(draft, _) => begin(Action::ContactUpsert).giving(fields::of_draft(draft)),
        }
    }
}

/// One warning for each field that a reading shows only in part.
fn incomplete<'a>(contacts: impl IntoIterator<Item = &'a Contact>) -> Vec<Warning> {
    let mut fields: Vec<Field> = Vec::new();
    for field in contacts.into_iter().flat_map(|contact| &contact.incomplete) {
        if !fields.contains(field) {
            fields.push(*field);
        }
    }
    let warn = |field: Field| {
        let message = format!(
            "This reading of the CRM shows `{}` not at all or only in part: read the contact by its id before you send it back whole.",
            field.name()
        );
        Warning::new(WarningCode::Incomplete, format!("/{}", field.name()), message)
    };
    fields.into_iter().map(warn).collect()
}
