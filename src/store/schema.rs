//! The migration steps of both databases, and whether this program can use a newer schema.

use super::OpenError;

/// One migration step, in both dialects.
pub(super) struct SchemaStep {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// The steps in order; the number of a step is its position, counted from 1. A released step is never edited. A step that
/// the previous version cannot work with also sets `schema_use.usable_by` to its own number. That is a step that removes
/// or renames what the previous version reads, or requires what it does not write.
pub(super) const STEPS: &[SchemaStep] = &[
    SchemaStep {
        sqlite: include_str!("migrations/sqlite/0001_tenants_keys_credentials.sql"),
        postgres: include_str!("migrations/postgres/0001_tenants_keys_credentials.sql"),
    },
    SchemaStep {
        sqlite: include_str!("migrations/sqlite/0002_audit.sql"),
        postgres: include_str!("migrations/postgres/0002_audit.sql"),
    },
    SchemaStep {
        sqlite: include_str!("migrations/sqlite/0003_idempotency.sql"),
        postgres: include_str!("migrations/postgres/0003_idempotency.sql"),
    },
    SchemaStep {
        sqlite: include_str!("migrations/sqlite/0004_usage.sql"),
        postgres: include_str!("migrations/postgres/0004_usage.sql"),
    },
    SchemaStep {
        sqlite: include_str!("migrations/sqlite/0005_check_since.sql"),
        postgres: include_str!("migrations/postgres/0005_check_since.sql"),
    },
];

/// The heads of sealed secrets, and how many secrets begin with each.
pub(super) const HEADS: &str = "SELECT head, count(*) AS secrets FROM \
    (SELECT substr(secret, 1, CAST($1 AS INTEGER)) AS head FROM credentials) AS heads GROUP BY head";

/// The version of the schema, the oldest program version that can use it, and the heads.
pub(super) type SchemaAndHeads = (i64, i64, Vec<(Vec<u8>, i64)>);

/// The number of the last step.
pub(super) fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The steps after `version`.
pub(super) fn missing(version: i64) -> impl Iterator<Item = &'static SchemaStep> {
    STEPS.iter().skip(usize::try_from(version).unwrap_or_default())
}

/// Succeeds if this program can use `database`, whose schema is newer. A newer program migrated it, and may only have added
/// to it. Fails with a sentence.
pub(super) fn usable(version: i64, usable_by: i64, database: &str) -> Result<(), OpenError> {
    let known = known();
    if usable_by <= known {
        tracing::warn!(
            "the database {database} has schema {version}; this version knows {known} and can use it"
        );
        return Ok(());
    }
    Err(OpenError::new(format!(
        "the database {database} has schema {version}, made by a newer version of contacts-gateway; this version knows \
         schema {known}: start the newer version, or give this one a database of its own"
    )))
}
