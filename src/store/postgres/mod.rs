//! The store in PostgreSQL: its URL, how it is opened and migrated.

mod migrate;
mod open;
mod url;

pub(super) use open::{advice, open};
pub use url::PostgresUrl;
