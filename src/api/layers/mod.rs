//! The layers around every handler.

mod access_log;
mod admission;
mod aliases;
mod cors;
mod envelope;
mod public_url;
mod request_id;
mod security;

pub use access_log::PeerAddress;
pub(super) use access_log::record;
pub(super) use admission::admit;
pub(super) use aliases::plain;
pub(super) use cors::{apply_cors, cors_layer};
pub(super) use envelope::{envelope, panicked};
pub(super) use public_url::publish;
pub(super) use request_id::{RequestId, identify};
pub(super) use security::{DOCS_POLICY, OPS_POLICY, secure};
