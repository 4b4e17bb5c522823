//! The store in one SQLite file: how it is opened and migrated.

mod migrate;
mod open;
mod presence;
mod space;
mod watch;

pub(super) use open::{Sqlite, advice, is_full, open};
pub(super) use presence::enter;
pub use presence::{Entrance, Presence};
pub(super) use space::shrink;
