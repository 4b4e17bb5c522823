//! Contacts: the operations by what they do.

pub(super) mod export;
mod parameters;
pub(super) mod reads;
mod rendered;
pub(super) mod writes;
