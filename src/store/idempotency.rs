//! The ledger of writes under an `Idempotency-Key`: the request, its progress, and the response.
//!
//! A row has at most one holder, which knows the row's fence; only the holder changes the row. The holder releases the row,
//! or another process does that when it has seen the lease unchanged for a whole lease time. The database's clock ends no
//! lease, because it may jump.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{CredentialId, Result, TenantId, Text, Timestamp, string_enum};

string_enum! {
    /// The progress of a write under a key.
    pub enum Stage {
        /// Claimed; nothing was sent to the CRM.
        Reserved = "reserved",
        /// The write may have been sent.
        Sending = "sending",
        /// Sent. It is not known yet whether it was applied.
        Unknown = "unknown",
        /// Applied. The contact was found, and a replay returns it.
        Found = "found",
        /// Sent and not applied. A replay may send it once more.
        Absent = "absent",
        /// Sent. It cannot be determined whether it was applied.
        Ambiguous = "ambiguous",
        /// The response is recorded. A replay returns it.
        Done = "done",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    pub tenant: TenantId,
    /// Digest of the key. The key itself may contain any text of the caller, so it is not stored.
    pub key: Text,
    /// MAC of method, route, credential and body. It detects a different request under the same key.
    pub fingerprint: Vec<u8>,
    /// The credential of the write; `None` for a write of credentials themselves.
    pub credential: Option<CredentialId>,
    pub stage: Stage,
    pub fence: Text,
    pub sends: i64,
    /// The sealed request while its outcome is unknown, then the sealed response.
    pub sealed: Option<Vec<u8>>,
    /// When the key was first used.
    pub created_at: Timestamp,
    /// When the row may be erased.
    pub expires_at: Timestamp,
    /// The size of the request in bytes. It counts against the quota while the outcome is open.
    pub request_bytes: i64,
}

/// What the holder of a row writes to it.
#[derive(Clone, Debug)]
pub struct Advance<'a> {
    pub stage: Stage,
    pub sends: i64,
    /// Replaces the sealed bytes; `None` erases them.
    pub sealed: Option<&'a [u8]>,
    /// The new lease time; `None` releases the row.
    pub lease: Option<Duration>,
}

/// A lease as it is in the database. A renewal changes `until`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeldLease {
    /// The tenant of a ledger row; empty for a lock.
    pub tenant: Text,
    /// The key of a row, or the name of a lock.
    pub name: Text,
    pub fence: Text,
    /// The end by the database's clock. It is only compared with itself.
    pub until: i64,
}

/// The ledger in the database. Every method that takes a fence returns whether the caller still holds the row. A lease of
/// zero releases the row.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Adds the row under a lease, unless the tenant has used the key already. An expired row is replaced. If another
    /// row is there, returns it and whether it is released. A tenant at its quota gets no new row.
    /// Durable on return.
    /// Fails with `tenant_not_found`, `store_unavailable`.
    async fn reserve(&self, record: &IdempotencyRecord, lease: Duration) -> Result<Reservation>;
    /// Takes over a released row whose fence is still `held.fence` and which is not `Done`. Returns the current row; its
    /// former holder may have changed it after `held` was read.
    async fn take_over(
        &self,
        held: &IdempotencyRecord,
        fence: &Text,
        lease: Duration,
    ) -> Result<Option<IdempotencyRecord>>;
    /// Whether the rows are lost because the database was removed or replaced.
    fn is_lost(&self) -> bool {
        false
    }
    /// Renews the lease of a row.
    async fn renew(&self, tenant: &TenantId, key: &str, fence: &str, lease: Duration) -> Result<bool>;
    /// Writes the progress of a write. Durable on return.
    async fn advance(&self, tenant: &TenantId, key: &str, fence: &str, to: &Advance<'_>) -> Result<bool>;
    /// Ends the lease of a row, which stays. [`Self::unsettled`] returns a lost create again after `pause`.
    async fn postpone(&self, tenant: &TenantId, key: &str, fence: &str, pause: Duration) -> Result<bool>;
    /// Removes the row, so the key is free.
    async fn remove(&self, tenant: &TenantId, key: &str, fence: &str) -> Result<bool>;
    /// At most `limit` rows without a lease in the stages `Sending` and `Unknown` with sealed bytes, which are not loaded. The
    /// order rotates over tenants and over each tenant's credentials, then the row that waited longest is first.
    async fn unsettled(&self, limit: u32) -> Result<Vec<IdempotencyRecord>>;
    /// At most `limit` held rows; those with the oldest renewal are first.
    async fn held(&self, limit: u32) -> Result<Vec<HeldLease>>;
    /// Ends the lease of a row, which stays, if it is still exactly `lease`. Returns whether it did.
    async fn end_lease(&self, lease: &HeldLease) -> Result<bool>;
    /// Ends all leases. Only for the one process on this database.
    async fn end_leases(&self) -> Result<u64>;
    /// Removes at most `limit` expired rows without a holder, and returns their number. On SQLite the erased bytes are
    /// gone from the file afterwards, unless a reader blocks the checkpoint.
    async fn erase_expired(&self, limit: u32) -> Result<u64>;
}

/// The result of a reservation.
#[derive(Clone, Debug)]
pub enum Reservation {
    Ours,
    /// The key is new, and the tenant has used up its quota of rows or bytes.
    Full {
        /// The time until the oldest row is removed.
        retry_after: Duration,
    },
    Held {
        record: Box<IdempotencyRecord>,
        /// Whether no process holds it.
        is_released: bool,
    },
}
