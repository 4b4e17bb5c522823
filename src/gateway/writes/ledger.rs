//! Claims keys, returns recorded responses, and finds the unfinished writes of ended processes.

use std::sync::Arc;
use std::time::Duration;

use super::in_flight::{LedgerRow, in_progress, unreadable};
use super::seen::{ROUNDS, SeenLeases, SeenLookups};
use super::{InFlightWrite, StoredResponse, WriteState, new_fence};
use crate::clock;
use crate::config::Limits;
use crate::domain::{Caller, CredentialId, Failure, FailureKind, Result, TenantId, Text};
use crate::sealing::{HEAD, Sealer, hex, length_prefixed, sha256};
use crate::store::{IdempotencyRecord, IdempotencyStore, LockStore, Reservation, Stage, Store, now};

/// How long a response is kept after the first use of its key.
pub(in crate::gateway) const KEPT: Duration = Duration::from_hours(24);
/// How often a claim is tried again when the row changed its holder during the claim.
const LOOKS: usize = 3;
/// How many rows one round of recovery reads.
const SHOWN: u32 = 256;
/// How many leases are watched at once, of rows and of locks.
const WATCHED: u32 = 4_096;
/// How many rows one statement of the expiry removes.
const ERASED: u32 = 500;
const FINGERPRINT: &str = "idempotency fingerprint";

/// A caller's key and the request that it identifies.
#[derive(Clone)]
pub struct RequestIdentity {
    /// 1 to 255 visible ASCII characters, without quotes.
    pub key: Text,
    /// The identity of the request: method, path, credential, options, condition, canonical body. It is unambiguous.
    pub fingerprint_input: Vec<u8>,
}

impl RequestIdentity {
    /// The same key for the request with this condition.
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

/// The leases of other processes, as this process sees them.
#[derive(Default)]
pub(in crate::gateway) struct LeaseWatch {
    rows: SeenLeases,
    locks: SeenLeases,
}

/// The result of a claim.
pub(in crate::gateway) enum Begin {
    /// The response was recorded before.
    Replay(StoredResponse),
    /// This request holds the key and runs the write.
    Started(Box<InFlightWrite>),
}

/// A write whose process left it without an outcome. Only creates can be searched for.
pub(in crate::gateway) struct Unsettled {
    pub(in crate::gateway) tenant: TenantId,
    /// The credential of the write.
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
            let requested_at = clock::monotonic();
            let (held, is_released) = match self.store.reserve(&record, self.lease).await? {
                Reservation::Ours => {
                    return Ok(Begin::Started(Box::new(InFlightWrite::new(
                        row,
                        fence,
                        self.lease,
                        requested_at,
                    ))));
                }
                Reservation::Full { retry_after } => return Err(full(retry_after)),
                Reservation::Held { record, is_released } => (record, is_released),
            };
            self.check_same_request(&held, &row, &identity.fingerprint_input)?;
            if held.stage == Stage::Done
                && let (WriteState::Done(response), _) = row.state_of(&held)?
            {
                return Ok(Begin::Replay(response));
            }
            if !is_released {
                return Err(in_progress());
            }
            if let Some(write) = self.take_over(&row, &held).await? {
                return Ok(Begin::Started(Box::new(write)));
            }
        }
        Err(in_progress())
    }

    /// Released writes without an outcome. The order rotates over tenants and over each tenant's credentials, then the row
    /// that waited longest is first. Fails with `store_unavailable`.
    pub(in crate::gateway) async fn unsettled(&self) -> Result<Vec<Unsettled>> {
        let of_credential = |held: IdempotencyRecord| {
            Some(Unsettled { tenant: held.tenant.clone(), credential: held.credential.clone()?, held })
        };
        Ok(self.store.unsettled(SHOWN).await?.into_iter().filter_map(of_credential).collect())
    }

    /// Takes over one of them to search for its outcome; the caller may call `note` or `leave`, and never sends. While it is
    /// held, replays wait. `None` if another process was faster or the row is unreadable. Fails with `store_unavailable`.
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
                    "the row of an unfinished write is unreadable, so its outcome is not searched for"
                );
                Ok(None)
            }
            outcome => outcome,
        }
    }

    /// Erases expired rows in batches. Returns their number. Fails with `store_unavailable`.
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

    /// Releases the rows and locks of ended processes, when this process has seen them unrenewed for a whole lease.
    /// Never returns.
    pub(in crate::gateway) async fn watch_leases(&self) {
        let (mut watch, mut rounds) = (LeaseWatch::default(), clock::every(self.lease / ROUNDS));
        loop {
            rounds.tick().await;
            if let Err(failure) = self.watch_once(&mut watch).await {
                tracing::warn!(code = failure.kind.code(), "leases could not be read; retrying");
            }
        }
    }

    /// One round of [`Self::watch_leases`]. Fails with `store_unavailable`.
    pub(in crate::gateway) async fn watch_once(&self, watch: &mut LeaseWatch) -> Result<()> {
        let requested_at = clock::monotonic();
        let held = self.store.held(WATCHED).await?;
        for gone in watch.rows.see(held, requested_at, self.lease) {
            self.store.end_lease(&gone).await?;
        }
        let requested_at = clock::monotonic();
        let held = self.locks.held(WATCHED).await?;
        for gone in watch.locks.see(held, requested_at, self.lease) {
            self.locks.end_lease(&gone).await?;
        }
        Ok(())
    }

    /// Ends every lease. Only for the one process on this database. Fails with `store_unavailable`.
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

    fn fresh(&self, row: &LedgerRow, fence: &Text, fingerprint_input: &[u8]) -> IdempotencyRecord {
        let created_at = now();
        // The head shows later which master key made the fingerprint, even if nothing is sealed.
        let mac = self.sealer.mac(FINGERPRINT, &request(row, fingerprint_input));
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
            request_bytes: i64::try_from(fingerprint_input.len()).unwrap_or(i64::MAX),
        }
    }

    /// Refuses a request that differs from the first one with this key, before anything of the first one is disclosed.
    fn check_same_request(
        &self,
        held: &IdempotencyRecord,
        row: &LedgerRow,
        fingerprint_input: &[u8],
    ) -> Result<()> {
        let (sealed_by, mac) = held.fingerprint.split_at_checked(HEAD).ok_or_else(unreadable)?;
        if !self.sealer.knows(sealed_by) {
            return Err(unreadable());
        }
        if self.sealer.authentic(FINGERPRINT, &request(row, fingerprint_input), mac) {
            return Ok(());
        }
        let detail = "This Idempotency-Key was used for another request: method, path, parameters or body differ. Repeat the first \
             request without a change, or use a new key.";
        Err(Failure::new(FailureKind::IdempotencyKeyReused, detail))
    }

    /// Takes over a released row; `None` if another process was faster.
    async fn take_over(
        &self,
        row: &Arc<LedgerRow>,
        held: &IdempotencyRecord,
    ) -> Result<Option<InFlightWrite>> {
        let (fence, requested_at) = (new_fence()?, clock::monotonic());
        let Some(held) = self.store.take_over(held, &fence, self.lease).await? else { return Ok(None) };
        let write = InFlightWrite::new(row.clone(), fence, self.lease, requested_at);
        write.resume(&held).await.map(Some)
    }
}

/// The tenant is at its quota of ledger rows.
fn full(retry_after: Duration) -> Failure {
    let detail = "The tenant has reached its limit of writes under an Idempotency-Key; nothing was sent. Each is removed 24 hours \
         after its first use. Try again after Retry-After, or ask the operator to raise the limit. Replays of earlier \
         keys work.";
    Failure::new(FailureKind::LedgerQuotaExceeded, detail).with_retry_after(Some(retry_after))
}

/// The digest of a tenant's key. A key may contain any text, so it is not stored.
pub(super) fn key(tenant: &TenantId, key: &str) -> Text {
    let tenant = tenant.as_str().as_bytes();
    let length = (tenant.len() as u64).to_be_bytes();
    hex(&sha256(&[length.as_slice(), tenant, key.as_bytes()].concat())).into()
}

/// The input of the fingerprint. The digest at its start has a constant length, so the input is unambiguous.
fn request(row: &LedgerRow, fingerprint_input: &[u8]) -> Vec<u8> {
    [row.key.as_bytes(), fingerprint_input].concat()
}
