//! The ledger of writes under an `Idempotency-Key`: what was asked, how far it came, what was answered.
//!
//! A row belongs to whoever holds its fence until it is let go: by its holder, or by a process that has seen its lease
//! unchanged for so long that the holder must be gone. What the database's clock says ends no lease, as it may jump. Only
//! who holds the fence changes the row.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{CredentialId, Result, TenantId, Text, Timestamp, string_enum};

string_enum! {
    /// How far a write under a key has come.
    pub enum Stage {
        /// Claimed; nothing was sent to the CRM.
        Reserved = "reserved",
        /// The write may have been sent.
        Sending = "sending",
        /// It was sent, and whether it was applied is not known yet.
        Unknown = "unknown",
        /// It was applied: the contact was found, and a replay returns it.
        Found = "found",
        /// It was sent and not applied: a replay may send it once more.
        Absent = "absent",
        /// It was sent, and whether it was applied cannot be told.
        Ambiguous = "ambiguous",
        /// The response is recorded, and replayed.
        Done = "done",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    pub tenant: TenantId,
    /// Digest of the key: a key is a caller's own text and may hold anything.
    pub key: Text,
    /// Authenticates method, route, credential and body, so that another request under the same key is told apart.
    pub fingerprint: Vec<u8>,
    /// The credential written through; `None` for a write of credentials themselves.
    pub credential: Option<CredentialId>,
    pub stage: Stage,
    pub fence: Text,
    pub sends: i64,
    /// The request while its outcome is not known, the answer when it is; sealed.
    pub sealed: Option<Vec<u8>>,
    /// When the key was first used.
    pub created_at: Timestamp,
    /// When the row may be erased.
    pub expires_at: Timestamp,
    /// How large the request is; counted as stored while the outcome is open.
    pub request_bytes: i64,
}

/// What the holder of a row writes into it.
#[derive(Clone, Debug)]
pub struct Advance<'a> {
    pub stage: Stage,
    pub sends: i64,
    /// In the place of what was sealed before; `None` erases it.
    pub sealed: Option<&'a [u8]>,
    /// By how much the lease is renewed; `None` lets the row go.
    pub lease: Option<Duration>,
}

/// A lease as the database shows it. It is renewed by writing another `until`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeldLease {
    /// The tenant of a row of the ledger; empty for a lock.
    pub tenant: Text,
    /// The key of a row, or the word of a lock.
    pub name: Text,
    pub fence: Text,
    /// Until when, by the database's clock. It is compared with itself only.
    pub until: i64,
}

/// The ledger in the database. Every method that takes a fence answers whether the fence still held. A lease of no time
/// lets the row go.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Adds the row under a lease, unless the tenant has used the key already; an expired row gives way. Answers the
    /// row that stands and, where it is another's, whether it was let go. A tenant at its quota gets no new row.
    /// Durable when it returns.
    /// Fails with `tenant_not_found`, `store_unavailable`.
    async fn reserve(&self, record: &IdempotencyRecord, lease: Duration) -> Result<Reserved>;
    /// Takes a row over that was let go, whose fence is still `held.fence`, and that is not `Done`. Answers the row
    /// as it stands then: its former holder may have changed it since `held` was read.
    async fn take_over(
        &self,
        held: &IdempotencyRecord,
        fence: &Text,
        lease: Duration,
    ) -> Result<Option<IdempotencyRecord>>;
    /// Whether the rows are lost: the database was removed or replaced, and nobody will see again what it holds.
    fn is_lost(&self) -> bool {
        false
    }
    /// Lengthens the lease of a row.
    async fn renew(&self, tenant: &TenantId, key: &str, fence: &str, lease: Duration) -> Result<bool>;
    /// Writes how far a write has come. Durable when it returns.
    async fn advance(&self, tenant: &TenantId, key: &str, fence: &str, to: &Advance<'_>) -> Result<bool>;
    /// Lets a row go; a lost create is found by [`Self::unsettled`] after `pause`.
    async fn postpone(&self, tenant: &TenantId, key: &str, fence: &str, pause: Duration) -> Result<bool>;
    /// Removes the row: the key is as if it had never been used.
    async fn release(&self, tenant: &TenantId, key: &str, fence: &str) -> Result<bool>;
    /// At most `limit` rows in the stages `Sending` and `Unknown` that hold something sealed, which is not read, and that
    /// were let go: of each tenant and then of each of its credentials in turn, and there those first that nobody has
    /// held for longest.
    async fn unsettled(&self, limit: u32) -> Result<Vec<IdempotencyRecord>>;
    /// At most `limit` rows that somebody holds, those first whose lease was renewed longest ago.
    async fn held(&self, limit: u32) -> Result<Vec<HeldLease>>;
    /// Lets a row go that is still held exactly as `lease` says; whether it was.
    async fn end_lease(&self, lease: &HeldLease) -> Result<bool>;
    /// Lets every row go: for a process that knows that it is the only one.
    async fn end_leases(&self) -> Result<u64>;
    /// Removes at most `limit` rows that have expired and that nobody holds; how many. On SQLite no byte that was erased
    /// from any row before is in the file afterwards, unless a reader is in the way.
    async fn erase_expired(&self, limit: u32) -> Result<u64>;
}

/// What came of a reservation.
#[derive(Clone, Debug)]
pub enum Reserved {
    Ours,
    /// The key is new, and the tenant has as many rows or bytes as it may.
    Full {
        /// When the oldest row will be gone.
        retry_after: Duration,
    },
    Held {
        record: Box<IdempotencyRecord>,
        /// Whether it was let go.
        free: bool,
    },
}
