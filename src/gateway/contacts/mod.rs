//! Contacts in the CRMs: list, count, get, create, update, delete.

mod compare;
mod cursor;
mod declared;
mod filters;
mod ids;
mod intent;
mod list;
mod locks;
mod outcome;
mod write;

use std::sync::Arc;

use self::cursor::Cursors;
use self::intent::Intent;
use self::locks::Locks;
use self::write::Write;
use super::Credentials;
use super::audit::{Action, Audit, Entry, fields};
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
    credentials: Credentials,
    cursors: Cursors,
    locks: Locks,
    audit: Audit,
}

impl Contacts {
    /// Contacts behind `credentials`; cursors are authenticated by `sealer`.
    #[must_use]
    pub fn new(credentials: Credentials, sealer: Arc<Sealer>, audit: Audit) -> Self {
        Self { credentials, cursors: Cursors::new(sealer), locks: Locks::default(), audit }
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
        let opened = self.credentials.open(caller, credential).await?;
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
        let opened = self.credentials.open(caller, credential).await?;
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
        let opened = self.credentials.open(caller, credential).await?;
        let remote_id = ids::open(&opened.id, id)?;
        let _place = opened.account.enter(context).await?;
        let contact = opened.adapter.get_contact(context, &remote_id).await?;
        Ok(Shown { id: ids::make(&opened.id, &contact.remote_id), warnings: incomplete([&contact]), contact })
    }

    /// Creates a contact. Needs `contacts:write`.
    pub async fn create(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        draft: ContactDraft,
        options: WriteOptions,
    ) -> Result<Shown> {
        self.write(context, caller, credential, options, Intent::Create(draft)).await
    }

    /// Changes a contact. Needs `contacts:write`.
    pub async fn update(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        id: &str,
        patch: ContactPatch,
        options: WriteOptions,
    ) -> Result<Shown> {
        self.write(context, caller, credential, options, Intent::Update(id.to_owned(), patch)).await
    }

    /// Removes a contact. Needs `contacts:write`.
    pub async fn delete(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        id: &str,
    ) -> Result<()> {
        self.write(context, caller, credential, WriteOptions::default(), Intent::Delete(id.to_owned()))
            .await
            .map(|_| ())
    }

    async fn write(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        options: WriteOptions,
        intent: Intent,
    ) -> Result<Shown> {
        let entry = self.begin(context, caller, &intent);
        let (context, caller, credential) = (context.clone(), caller.clone(), credential.clone());
        let write = Write { context, caller, credential, options };
        write.run_to_its_end(self.credentials.clone(), self.locks.clone(), intent, entry).await
    }

    fn begin(&self, context: &CallContext, caller: &Caller, intent: &Intent) -> Entry {
        let begin = |action| self.audit.begin(&Actor::of(caller, context), action, Some(&caller.tenant));
        match intent {
            Intent::Create(draft) => begin(Action::ContactCreate).giving(fields::of_draft(draft)),
            Intent::Update(id, patch) => begin(Action::ContactUpdate).on(id).giving(fields::of_patch(patch)),
            Intent::Delete(id) => begin(Action::ContactDelete).on(id),
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
