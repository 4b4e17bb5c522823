//! Credentials: one file per operation.

pub(super) mod check;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod list;
pub(super) mod update;
