//! The store in one SQLite file: how it is opened and migrated.

mod migrate;
mod open;

pub(super) use open::{advice, open};
