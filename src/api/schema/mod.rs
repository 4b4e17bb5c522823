//! The public JSON of answers, serialised from borrowed values, and the shapes of bodies for the document.

mod audit;
mod contact;
mod credential;
mod each;
mod key;
mod list;
mod requests;
mod tenant;
mod warning;

pub(super) use audit::AuditListing;
pub(super) use contact::{ContactAnswer, CountAnswer, DeleteAnswer, UpsertAnswer};
pub(super) use credential::{CheckAnswer, CredentialAnswer, CredentialListing};
pub(super) use each::{Each, Moment, Show};
pub(super) use key::{KeyAnswer, KeyListing};
pub(super) use list::ContactListAnswer;
pub(super) use requests::{
    ContactCreate, ContactUpdate, CredentialCreate, CredentialUpdate, KeyCreate, TenantCreate,
};
pub(super) use tenant::{TenantAnswer, TenantListing};
