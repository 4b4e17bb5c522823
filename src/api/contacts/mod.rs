//! Contacts: one file per operation.

pub(super) mod count;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod export;
pub(super) mod fields;
pub(super) mod get;
pub(super) mod list;
mod parameters;
mod rendered;
pub(super) mod search;
pub(super) mod update;
pub(super) mod upsert;
