//! The operator's view of who did what: one file per operation.

pub(super) mod list;
mod parameters;
