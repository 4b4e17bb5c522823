//! The steps of the schema for both databases, and what to make of a database that is ahead of this program.

use super::OpenError;

/// One step, in both dialects.
pub(super) struct SchemaStep {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// The steps in order; the number of a step is its place, counted from 1. A step that shipped is never edited. A step
/// that a program of the version before cannot live with (it takes away or renames what that one reads, or demands what
/// that one does not write) also raises `schema_use.usable_by` to its own number; all others leave it alone.
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
];

/// The number of the last step.
pub(super) fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The steps behind `version`.
pub(super) fn missing(version: i64) -> impl Iterator<Item = &'static SchemaStep> {
    STEPS.iter().skip(usize::try_from(version).unwrap_or_default())
}

/// Whether this program may use `database`, whose schema is ahead: a newer program beside it migrated it, and its steps
/// may only have added. Fails with a sentence.
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
