//! Operator endpoints for the audit: one file per operation.

pub(super) mod list;
mod parameters;
