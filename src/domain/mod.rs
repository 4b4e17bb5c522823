//! The types that every layer shares: contacts, changes, queries, failures. Serde is used for what is stored sealed; there is
//! no HTTP and no async.

mod bounded;
mod caller;
mod change;
mod contact;
mod context;
mod failure;
mod field;
mod ids;
mod phone;
mod query;
mod request_record;
pub mod rules;
mod string_enum;
mod text;
mod trace_parent;
mod warning;

pub use bounded::{FirstOf, abbreviated, abbreviated_to, enumerated};
pub use caller::{Actor, Caller, Principal, Scope, Scopes};
pub use change::{ContactDraft, ContactPatch, ContactUpsert, Patch, ReadOnlyMember, is_read_back};
pub use contact::{Address, Contact, EmailAddress, PhoneNumber, ReadBy, RemoteFields, email_identity};
pub use context::{CallContext, CallPermits, Priority};
pub use failure::{
    Candidate, Candidates, CredentialFailure, Effect, Failure, FailureKind, FaultLocation, Faults,
    FieldFault, Origin, Retryable, ScanProgress, UpstreamStatus,
};
pub use field::{Field, Fields};
pub use ids::{CredentialId, KeyId, Provider, RemoteId, TenantId};
pub use jiff::Timestamp;
pub use phone::{PhoneIdentity, Region, digits, has_letters};
pub use query::{ContactQuery, Filter, FilterKind, FilterName, FilterValue, Page, PageToken};
pub use request_record::{AttemptFacts, RequestFacts, RequestRecord, WarningCodes};
pub use rules::bounds;
pub(crate) use string_enum::string_enum;
pub use text::{
    RawJson, Text, case_identity, field_key, is_same_field, name_identity, short_field_key, suggestion,
    text_identity, words,
};
pub use trace_parent::TraceParent;
pub use warning::{Warning, WarningCode, known_warnings};

/// The result of every fallible step of the gateway.
pub type Result<T> = std::result::Result<T, Failure>;
