//! What a database holds, read without changing it.

use super::{Location, OpenError, Store, postgres, schema, sqlite};

/// What a database holds.
pub struct InspectedDatabase {
    /// The version of its schema; 0 if it is empty.
    pub schema: i64,
    /// The heads of its sealed secrets, and how many secrets begin with each.
    pub heads: Vec<(Vec<u8>, u64)>,
}

impl Store {
    /// The schema that this program makes.
    #[must_use]
    pub fn known_schema() -> i64 {
        schema::known()
    }

    /// Reads the database at `location`, which it neither creates nor changes. A head is the first `length` bytes of a sealed secret.
    /// Fails with a sentence that says what to fix.
    pub async fn inspect(location: &Location, length: usize) -> Result<InspectedDatabase, OpenError> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let (schema, usable_by, heads) = match location {
            Location::Sqlite(path) => sqlite::inspect(path, length).await?,
            Location::Postgres(url) => postgres::inspect(url, length).await?,
        };
        if schema > schema::known() {
            schema::usable(schema, usable_by, &location.to_string())?;
        }
        let heads = heads.into_iter().map(|(head, count)| (head, u64::try_from(count).unwrap_or_default()));
        Ok(InspectedDatabase { schema, heads: heads.collect() })
    }
}
