//! Claims keys, replays answers, and finds what dead processes left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::in_flight::{LedgerRow, in_progress, unreadable};
use super::lease::hex;
use super::seen::{ROUNDS, SeenLeases, SeenLookups};
use super::{InFlightWrite, StoredResponse, WriteState, new_fence};
use crate::clock;
use crate::config::Limits;
use crate::domain::{Caller, CredentialId, Failure, FailureKind, Result, TenantId, Text};
use crate::sealing::{HEAD, Sealer, length_prefixed, sha256};
use crate::store::{IdempotencyRecord, IdempotencyStore, LockStore, Reserved, Stage, Store, now};

/// How long an answer is kept, from the first use of its key on.
pub(in crate::gateway) const KEPT: Duration = Duration::from_hours(24);
/// How often a claim looks again where the row changed hands while it looked.
const LOOKS: usize = 3;
/// How many rows a sweep is shown at a time.
const SHOWN: u32 = 256;
/// How many leases are watched at a time, of rows and of locks.
const WATCHED: u32 = 4_096;
/// How many rows one statement of the expiry removes.
const ERASED: u32 = 500;
const FINGERPRINT: &str = "idempotency fingerprint";

/// A caller's key and what it stands for.
#[derive(Clone)]
pub struct RequestIdentity {
    /// 1 to 255 visible ASCII characters; quotes are taken off already.
    pub key: Text,
    /// Everything that makes the request: method, path, credential, options, condition, canonical body; two requests never look the
    /// same.
    pub fingerprint_input: Vec<u8>,
}

impl RequestIdentity {
    /// The same key for the request under this condition.
    pub(in crate::gateway) fn under(&self, condition: &str) -> Self {
        Self {
            key: self.key.clone(),
            fingerprint_input: length_prefixed(&[&self.fingerprint_input, condition.as_bytes()]),
        }
    }
}

/// The ledger of writes under an `Idempotency-Key`; clones share everything.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn IdempotencyStore>,
    locks: LockStore,
    sealer: Arc<Sealer>,
    lease: Duration,
    settle: Duration,
    lookups: Arc<SeenLookups>,
}

/// The leases of others, as this process sees them.
#[derive(Default)]
pub(in crate::gateway) struct LeaseWatch {
    rows: SeenLeases,
    locks: SeenLeases,
}

/// What a key is good for.
pub(in crate::gateway) enum Begin {
    /// The response was recorded before.
    Replay(StoredResponse),
    /// The key is ours: run the write.
    Started(Box<InFlightWrite>),
}

/// A create that a process left without an outcome.
pub(in crate::gateway) struct Unsettled {
    pub(in crate::gateway) tenant: TenantId,
    /// The credential that it was sent through.
    pub(in crate::gateway) credential: CredentialId,
    held: IdempotencyRecord,
}

impl Ledger {
    #[must_use]
    pub fn new(store: &Store, sealer: Arc<Sealer>, limits: Limits) -> Self {
        let Limits { lease, settle, .. } = limits;
        let (store, locks) = (store.idempotency.clone(), store.locks.clone());
        Self { store, locks, sealer, lease, settle, lookups: Arc::default() }
    }

    /// Claims a key for one request of `caller`. Fails with `idempotency_key_reused`, `idempotency_in_progress`,
    /// `quota_exceeded`, `store_unavailable`, `secret_unreadable`.
    pub(in crate::gateway) async fn claim(
        &self,
        caller: &Caller,
        credential: Option<&CredentialId>,
        identity: &RequestIdentity,
    ) -> Result<Begin> {
        let row = self.row(&caller.tenant, key(&caller.tenant, &identity.key), credential.cloned());
        let fence = new_fence()?;
        let record = self.fresh(&row, &fence, &identity.fingerprint_input);
        for _ in 0..LOOKS {
            let asked = clock::monotonic();
            let held = match self.store.reserve(&record, self.lease).await? {
                Reserved::Ours => {
                    return Ok(Begin::Started(Box::new(InFlightWrite::new(row, fence, self.lease, asked))));
                }
                Reserved::Full { retry_after } => return Err(full(retry_after)),
                Reserved::Held { record, free } => (record, free),
            };
            let (held, free) = held;
            self.refuse_another(&held, &row, &identity.fingerprint_input)?;
            if held.stage == Stage::Done
                && let (WriteState::Done(response), _) = row.state_of(&held)?
            {
                return Ok(Begin::Replay(response));
            }
            if !free {
                return Err(in_progress());
            }
            if let Some(write) = self.take_over(&row, &held).await? {
                return Ok(Begin::Started(Box::new(write)));
            }
        }
        Err(in_progress())
    }

    /// Creates without an outcome whose process is gone or gave up: of each tenant and credential in turn, and there those
    /// first that nobody has looked for longest. Fails with `store_unavailable`.
    pub(in crate::gateway) async fn unsettled(&self) -> Result<Vec<Unsettled>> {
        let named = |held: IdempotencyRecord| {
            Some(Unsettled { tenant: held.tenant.clone(), credential: held.credential.clone()?, held })
        };
        Ok(self.store.unsettled(SHOWN).await?.into_iter().filter_map(named).collect())
    }

    /// Takes one of them over to look, and to `note` or `leave`: while it is held, replays of it wait. `None` where
    /// somebody else was faster, or where it cannot be read. Never sends. Fails with `store_unavailable`.
    pub(in crate::gateway) async fn take_unsettled(
        &self,
        unsettled: &Unsettled,
    ) -> Result<Option<InFlightWrite>> {
        let Unsettled { tenant, credential, held } = unsettled;
        let row = self.row(tenant, held.key.clone(), Some(credential.clone()));
        match self.take_over(&row, held).await {
            Err(failure) if failure.kind != FailureKind::StoreUnavailable => {
                tracing::warn!(
                    code = failure.kind.code(),
                    "an open write cannot be read, so nobody looks for it"
                );
                Ok(None)
            }
            outcome => outcome,
        }
    }

    /// Erases what has expired, in bounded batches until none is left; how many rows. Fails with `store_unavailable`.
    pub async fn erase_expired(&self) -> Result<u64> {
        let mut all = 0;
        loop {
            let erased = self.store.erase_expired(ERASED).await?;
            all += erased;
            if erased < u64::from(ERASED) {
                return Ok(all);
            }
        }
    }

    /// Lets go what dead processes hold, rows and locks, as soon as this process has seen it unrenewed for a whole lease.
    /// Never ends.
    pub(in crate::gateway) async fn watch_leases(&self) {
        let (mut watch, mut rounds) = (LeaseWatch::default(), interval(self.lease / ROUNDS));
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            if let Err(failure) = self.watch_once(&mut watch).await {
                tracing::warn!(code = failure.kind.code(), "leases could not be read; tried again");
            }
        }
    }

    /// One round of it. Fails with `store_unavailable`.
    pub(in crate::gateway) async fn watch_once(&self, watch: &mut LeaseWatch) -> Result<()> {
        let asked = clock::monotonic();
        let held = self.store.held(WATCHED).await?;
        for gone in watch.rows.see(held, asked, self.lease) {
            self.store.end_lease(&gone).await?;
        }
        let asked = clock::monotonic();
        let held = self.locks.held(WATCHED).await?;
        for gone in watch.locks.see(held, asked, self.lease) {
            self.locks.end_lease(&gone).await?;
        }
        Ok(())
    }

    /// Ends every lease: for a process that knows that it is the only one. Fails with `store_unavailable`.
    pub async fn end_leases(&self) -> Result<()> {
        self.locks.unlock_all().await?;
        self.store.end_leases().await.map(|_| ())
    }

    fn row(&self, tenant: &TenantId, key: Text, credential: Option<CredentialId>) -> Arc<LedgerRow> {
        Arc::new(LedgerRow {
            store: self.store.clone(),
            sealer: self.sealer.clone(),
            tenant: tenant.clone(),
            key,
            credential,
            settle: self.settle,
            lookups: self.lookups.clone(),
        })
    }

    fn fresh(&self, row: &LedgerRow, fence: &Text, asked: &[u8]) -> IdempotencyRecord {
        let created_at = now();
        // The head tells later which master key it was made under, also where nothing is sealed.
        let mac = self.sealer.mac(FINGERPRINT, &request(row, asked));
        IdempotencyRecord {
            tenant: row.tenant.clone(),
            key: row.key.clone(),
            fingerprint: [self.sealer.head().as_slice(), &mac].concat(),
            credential: row.credential.clone(),
            stage: Stage::Reserved,
            fence: fence.clone(),
            sends: 0,
            sealed: None,
            created_at,
            expires_at: created_at.checked_add(KEPT).unwrap_or(created_at),
            request_bytes: i64::try_from(asked.len()).unwrap_or(i64::MAX),
        }
    }

    /// Refuses a request that is not the one the key was first used for; before anything is told about that one.
    fn refuse_another(&self, held: &IdempotencyRecord, row: &LedgerRow, asked: &[u8]) -> Result<()> {
        let (named, mac) = held.fingerprint.split_at_checked(HEAD).ok_or_else(unreadable)?;
        if !self.sealer.knows(named) {
            return Err(unreadable());
        }
        if self.sealer.authentic(FINGERPRINT, &request(row, asked), mac) {
            return Ok(());
        }
        let detail = "This Idempotency-Key was used for another request: method, path, parameters or body differ. Repeat that \
             one as it was, or use a new key.";
        Err(Failure::new(FailureKind::IdempotencyKeyReused, detail))
    }

    /// Takes over a row that was let go; `None` where somebody else was faster.
    async fn take_over(
        &self,
        row: &Arc<LedgerRow>,
        held: &IdempotencyRecord,
    ) -> Result<Option<InFlightWrite>> {
        let (fence, asked) = (new_fence()?, clock::monotonic());
        let Some(held) = self.store.take_over(held, &fence, self.lease).await? else { return Ok(None) };
        let write = InFlightWrite::new(row.clone(), fence, self.lease, asked);
        write.resume(&held).await.map(Some)
    }
}

/// The tenant's part of the ledger is full.
fn full(retry_after: Duration) -> Failure {
    let detail = "The tenant has as many writes under an Idempotency-Key stored as it may; nothing was sent. Each ends 24 hours \
         after its first use. Try again after Retry-After, or ask the operator to raise the limit. Replays of earlier \
         keys work.";
    Failure::new(FailureKind::LedgerQuotaExceeded, detail).with_retry_after(Some(retry_after))
}

/// The digest that stands for a tenant's key: a key may hold anything, also what must not be kept.
pub(super) fn key(tenant: &TenantId, key: &str) -> Text {
    let tenant = tenant.as_str().as_bytes();
    let length = (tenant.len() as u64).to_be_bytes();
    hex(&sha256(&[length.as_slice(), tenant, key.as_bytes()].concat())).into()
}

/// What the fingerprint is of; the digest before it has always the same length.
fn request(row: &LedgerRow, asked: &[u8]) -> Vec<u8> {
    [row.key.as_bytes(), asked].concat()
}
