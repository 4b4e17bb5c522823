//! The operator's view of a tenant's keys: one file per operation.

pub(super) mod create;
pub(super) mod list;
pub(super) mod revoke;
