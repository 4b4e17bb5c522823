//! The audit in the database: who did what, to what, and how it ended. It holds names of fields, never values.

use async_trait::async_trait;

use super::After;
use crate::domain::{Result, TenantId, Text, Timestamp};

/// One operation that was done or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Unique. A record that is appended twice is stored once, so a failed append can be repeated.
    pub id: Text,
    pub at: Timestamp,
    /// The kind of caller: `key`, `token`, `operator`, `cli`, `nobody`.
    pub actor_kind: Text,
    /// The id of the caller, if it is known.
    pub actor_id: Option<Text>,
    /// The tenant whose data was touched; `None` for data of the operator. The tenant need not exist (any more).
    pub tenant: Option<TenantId>,
    /// The operation, one word such as `credential.update`.
    pub action: Text,
    /// The id of the object of the operation.
    pub target: Option<Text>,
    /// The names of the fields in the request.
    pub fields: Vec<Text>,
    /// `ok`, `cut_off`, or the code of the failure.
    pub outcome: Text,
    pub request_id: Option<Text>,
}

/// Selects records. `None` means no restriction.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    pub tenant: Option<TenantId>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub action: Option<Text>,
    /// The last record of the previous page; older ones follow. `created_at` is the record's `at`.
    pub after: Option<After>,
    pub limit: u32,
}

/// The audit in the database. Records are added, read, and erased when they are too old; they never change.
#[async_trait]
pub trait AuditStore: Send + Sync {
    async fn append(&self, record: &AuditRecord) -> Result<()>;
    /// Adds all of the records or none.
    async fn append_many(&self, records: &[AuditRecord]) -> Result<()>;
    /// The selected records, newest first.
    async fn list(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>>;
    /// Erases at most `limit` records older than `time`, oldest first. Returns the number of erased records.
    async fn erase_before(&self, time: Timestamp, limit: u32) -> Result<u64>;
    /// The tenants that exceed their quota of records, and by how many.
    async fn excessive(&self) -> Result<Vec<(TenantId, u64)>>;
    /// Erases at most `limit` of the tenant's oldest records. Returns the number of erased records.
    async fn erase_oldest(&self, tenant: &TenantId, limit: u32) -> Result<u64>;
}
