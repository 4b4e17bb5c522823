//! What the audit remembers: who did what to what, and how it ended; names of fields, never values.

use async_trait::async_trait;

use super::After;
use crate::domain::{Result, TenantId, Text, Timestamp};

/// One thing that was done or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its id, unique; a record that is appended twice is kept once, so that a failed append may be repeated.
    pub id: Text,
    pub at: Timestamp,
    /// What kind of caller: `key`, `token`, `operator`, `cli`, `nobody`.
    pub actor_kind: Text,
    /// Which one, where it is known.
    pub actor_id: Option<Text>,
    /// Whose things were touched; the operator's own have none. It need not exist, or exist any longer.
    pub tenant: Option<TenantId>,
    /// What was done, one word such as `credential.update`.
    pub action: Text,
    /// The id of what it was done to.
    pub target: Option<Text>,
    /// The names of the fields that were given.
    pub fields: Vec<Text>,
    /// How it ended: `ok`, `cut_off`, or the code of the failure.
    pub outcome: Text,
    pub request_id: Option<Text>,
}

/// Which records are asked for; what is `None` narrows nothing.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    pub tenant: Option<TenantId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub action: Option<Text>,
    /// The last record seen: the listing goes on with older ones. `created_at` is the record's `at`.
    pub after: Option<After>,
    pub limit: u32,
}

/// The audit in the database: records are added, read and in the end erased, never changed.
#[async_trait]
pub trait AuditStore: Send + Sync {
    async fn append(&self, record: &AuditRecord) -> Result<()>;
    /// Adds all of the records or none.
    async fn append_many(&self, records: &[AuditRecord]) -> Result<()>;
    /// The records asked for, newest first.
    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>>;
    /// Erases at most `limit` records of what happened before `moment`, the oldest first; how many that were.
    async fn erase_before(&self, moment: Timestamp, limit: u32) -> Result<u64>;
    /// The tenants with more records than they may have, and how many more.
    async fn excessive(&self) -> Result<Vec<(TenantId, u64)>>;
    /// Erases at most `limit` of the tenant's oldest records; how many that were.
    async fn erase_oldest(&self, tenant: &TenantId, limit: u32) -> Result<u64>;
}
