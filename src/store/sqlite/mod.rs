//! The store in one SQLite file: how it is opened and migrated.

mod instance_lock;
mod migrate;
mod open;
mod space;
mod watch;

pub(super) use instance_lock::enter;
pub use instance_lock::{InstanceLock, InstancePresence};
pub(super) use open::{Sqlite, advice, is_full, open};
pub(super) use space::shrink;
