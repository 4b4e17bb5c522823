//! The words that every layer shares: contacts, changes, queries, failures; no serde, no HTTP, no async.

mod caller;
mod change;
mod contact;
mod context;
mod failure;
mod field;
mod ids;
mod query;
mod text;
mod warning;

pub use caller::{Actor, Caller, Principal, Scope, Scopes};
pub use change::{ContactDraft, ContactPatch, Patch, ReadOnlyMember};
pub use contact::{Address, Contact, EmailAddress, PhoneNumber, RemoteFields};
pub use context::{Admission, CallContext, Priority};
pub use failure::{
    Candidate, Effect, Failure, FailureKind, FieldFault, Origin, Place, Retryable, UpstreamStatus,
};
pub use field::Field;
pub use ids::{CredentialId, KeyId, Provider, RemoteId, TenantId};
pub use jiff::Timestamp;
pub use query::{ContactQuery, Filter, FilterKind, FilterName, FilterValue, Page, Position};
pub use text::{RawJson, Text};
pub use warning::{Warning, WarningCode};

/// What every fallible step of the gateway answers.
pub type Result<T> = std::result::Result<T, Failure>;
