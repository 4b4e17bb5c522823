//! The store in PostgreSQL: its URL, how it is opened and migrated.

mod migrate;
mod open;
mod url;

pub(super) use open::{PostgresPool, advice, is_full, open, shown};
pub use url::PostgresUrl;
