//! Contacts in the CRMs: list, count, get, create, update, delete.

use crate::domain::{
    CallContext, Caller, Contact, ContactDraft, ContactPatch, ContactQuery, CredentialId, Failure,
    FilterName, Result, Text, Warning,
};

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
pub struct Contacts {}

impl Contacts {
    /// One page of a list. Needs `contacts:read`.
    pub async fn list(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        request: &ListRequest,
    ) -> Result<Listed> {
        Err(Failure::internal("not built"))
    }
    /// How many contacts match. Needs `contacts:read`.
    pub async fn count(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        query: &ContactQuery,
    ) -> Result<u64> {
        Err(Failure::internal("not built"))
    }
    /// One contact, by the gateway's id or the CRM's. Needs `contacts:read`.
    pub async fn get(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        id: &str,
    ) -> Result<Shown> {
        Err(Failure::internal("not built"))
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
        Err(Failure::internal("not built"))
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
        Err(Failure::internal("not built"))
    }
    /// Removes a contact. Needs `contacts:write`.
    pub async fn delete(
        &self,
        context: &CallContext,
        caller: &Caller,
        credential: &CredentialId,
        id: &str,
    ) -> Result<()> {
        Err(Failure::internal("not built"))
    }
}
