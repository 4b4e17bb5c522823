//! Extractors: the parts of a request, each validated before the handler runs.

mod body;
mod caller;
mod condition;
mod context;
mod decode;
mod idempotency_key;
mod ids;
mod query;
mod reader;
mod times;

pub(super) use body::{FromBody, JsonBody};
pub(super) use caller::{
    ContactsReader, ContactsWriter, CredentialsReader, CredentialsWriter, Operator, Signed, note_refusal,
    throttled,
};
pub(super) use condition::{IfMatch, Unconditional};
pub(super) use context::{Context, DEADLINE_MILLIS, request_id, request_record};
pub(super) use decode::pairs;
pub(super) use idempotency_key::{IdempotencyKey, IdempotentJson};
pub(super) use ids::{ContactPath, IdPath, KeyPath};
pub(super) use query::{
    CredentialOnly, ListingParameters, NoParameters, Parameters, Query, VerifyParameters,
};
pub(super) use reader::{QueryReader, Read};
pub(super) use times::timestamp;
