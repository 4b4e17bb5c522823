//! The operator's tenants: one file per operation.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod list;
