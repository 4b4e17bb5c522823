//! The store in one SQLite file: how it is opened and migrated.

mod migrate;
mod open;
mod presence;

pub(super) use open::{advice, open};
pub(super) use presence::enter;
pub use presence::{Entrance, Presence};
