//! Claims keys, replays answers, and finds what dead processes left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::{Place, in_progress, unreadable};
use super::kept::Kept;
use super::lease::hex;
use super::{Answer, Attempt, new_fence};
use crate::config::Limits;
use crate::domain::{Caller, CredentialId, Failure, FailureKind, Result, TenantId, Text};
use crate::sealing::{HEAD, Sealer, digest};
use crate::store::{IdempotencyRecord, IdempotencyStore, LockStore, Reserved, Stage, Store, now};

/// How long an answer is kept, from the first use of its key on.
const KEPT: Duration = Duration::from_hours(24);
/// How often a claim looks again where the row changed hands while it looked.
const LOOKS: usize = 3;
/// How many rows a sweep holds at a time: while it does, replays of them wait.
const SWEPT: u32 = 8;
/// How many rows one statement of the expiry removes.
const ERASED: u32 = 500;
const FINGERPRINT: &str = "idempotency fingerprint";

/// A caller's key and what it stands for.
#[derive(Clone)]
pub struct Once {
    /// 1 to 255 visible ASCII characters; quotes are taken off already.
    pub key: Text,
    /// Everything that makes the request: method, path, credential, options, canonical body; two requests never look the
    /// same.
    pub asked: Vec<u8>,
}

/// The ledger of writes under an `Idempotency-Key`; clones share everything.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn IdempotencyStore>,
    locks: Arc<dyn LockStore>,
    sealer: Arc<Sealer>,
    lease: Duration,
}

/// What a key is good for.
pub(in crate::gateway) enum Claim {
    /// The write was answered before; the answer is a replay.
    Answered(Answer),
    /// The key is ours: run the write.
    Run(Box<Attempt>),
}

/// A create that a process left without an outcome, taken over to look.
pub(in crate::gateway) struct Unsettled {
    /// Whose it is.
    pub(in crate::gateway) tenant: TenantId,
    /// The credential that it was sent through.
    pub(in crate::gateway) credential: CredentialId,
    /// The hold on its row.
    pub(in crate::gateway) attempt: Attempt,
}

impl Ledger {
    /// The ledger in `store`.
    #[must_use]
    pub fn new(store: &Store, sealer: Arc<Sealer>, limits: Limits) -> Self {
        let (locks, lease) = (store.locks.clone(), limits.lease);
        Self { store: store.idempotency.clone(), locks, sealer, lease }
    }

    /// Claims a key for one request of `caller`. Fails with `idempotency_key_reused`, `idempotency_in_progress`,
    /// `store_unavailable`, `secret_unreadable`.
    pub(in crate::gateway) async fn claim(
        &self,
        caller: &Caller,
        credential: Option<&CredentialId>,
        once: &Once,
    ) -> Result<Claim> {
        let place = self.place(&caller.tenant, key(&caller.tenant, &once.key), credential.cloned());
        let fence = new_fence()?;
        let record = self.fresh(&place, &fence, &once.asked);
        for _ in 0..LOOKS {
            let asked = Instant::now();
            let held = match self.store.reserve(&record, self.lease).await? {
                Reserved::Ours => {
                    return Ok(Claim::Run(Box::new(Attempt::holding(place, fence, self.lease, asked))));
                }
                Reserved::Held { record, free } => (record, free),
            };
            let (held, free) = held;
            self.refuse_another(&held, &place, &once.asked)?;
            if held.stage == Stage::Done {
                return answered(&place, &held);
            }
            if !free {
                return Err(in_progress());
            }
            if let Some(attempt) = self.take_over(&place, &held).await? {
                return Ok(Claim::Run(Box::new(attempt)));
            }
        }
        Err(in_progress())
    }

    /// Creates without an outcome whose process is gone or gave up, each taken over to look and to `note` or `leave`;
    /// a few at a time, those first that nobody has looked for longest. Never sends. Fails with `store_unavailable`.
    pub(in crate::gateway) async fn unsettled(&self) -> Result<Vec<Unsettled>> {
        let mut taken = Vec::new();
        for held in self.store.unsettled(SWEPT).await? {
            let Some(credential) = held.credential.clone() else { continue };
            let place = self.place(&held.tenant, held.key.clone(), held.credential.clone());
            match self.take_over(&place, &held).await {
                Ok(Some(attempt)) => {
                    taken.push(Unsettled { tenant: held.tenant, credential, attempt });
                }
                Ok(None) => {}
                Err(failure) if failure.kind == FailureKind::StoreUnavailable => return Err(failure),
                Err(failure) => {
                    tracing::warn!(
                        code = failure.kind.code(),
                        "an open write cannot be read, so nobody looks for it"
                    );
                }
            }
        }
        Ok(taken)
    }

    /// Erases what has expired, in bounded batches until none is left; how many rows. Fails with `store_unavailable`.
    pub async fn erase_expired(&self) -> Result<u64> {
        while self.locks.erase_ended(ERASED).await? >= u64::from(ERASED) {}
        let mut all = 0;
        loop {
            let erased = self.store.erase_expired(ERASED).await?;
            all += erased;
            if erased < u64::from(ERASED) {
                return Ok(all);
            }
        }
    }

    /// Ends every lease: for a process that knows that it is the only one. Fails with `store_unavailable`.
    pub async fn end_leases(&self) -> Result<()> {
        self.locks.unlock_all().await?;
        self.store.end_leases().await.map(|_| ())
    }

    fn place(&self, tenant: &TenantId, key: Text, credential: Option<CredentialId>) -> Arc<Place> {
        Arc::new(Place {
            store: self.store.clone(),
            sealer: self.sealer.clone(),
            tenant: tenant.clone(),
            key,
            credential,
        })
    }

    fn fresh(&self, place: &Place, fence: &Text, asked: &[u8]) -> IdempotencyRecord {
        let created_at = now();
        // The head tells later which master key it was made under, also where nothing is sealed.
        let mac = self.sealer.mac(FINGERPRINT, &request(place, asked));
        IdempotencyRecord {
            tenant: place.tenant.clone(),
            key: place.key.clone(),
            fingerprint: [self.sealer.head().as_slice(), &mac].concat(),
            credential: place.credential.clone(),
            stage: Stage::Reserved,
            fence: fence.clone(),
            sends: 0,
            sealed: None,
            created_at,
            expires_at: created_at.checked_add(KEPT).unwrap_or(created_at),
        }
    }

    /// Refuses a request that is not the one the key was first used for; before anything is told about that one.
    fn refuse_another(&self, held: &IdempotencyRecord, place: &Place, asked: &[u8]) -> Result<()> {
        let (named, mac) = held.fingerprint.split_at_checked(HEAD).ok_or_else(unreadable)?;
        if !self.sealer.knows(named) {
            return Err(unreadable());
        }
        if self.sealer.authentic(FINGERPRINT, &request(place, asked), mac) {
            return Ok(());
        }
        let detail = "This Idempotency-Key was used for another request: method, path, parameters or body differ. Repeat that \
             one as it was, or use a new key.";
        Err(Failure::new(FailureKind::IdempotencyKeyReused, detail))
    }

    /// Takes over a row whose lease has ended; `None` where somebody else was faster.
    async fn take_over(&self, place: &Arc<Place>, held: &IdempotencyRecord) -> Result<Option<Attempt>> {
        let (fence, asked) = (new_fence()?, Instant::now());
        let Some(held) = self.store.take_over(held, &fence, self.lease).await? else { return Ok(None) };
        let attempt = Attempt::holding(place.clone(), fence, self.lease, asked);
        let kept = held
            .sealed
            .as_deref()
            .map_or_else(|| Ok(Kept::default()), |sealed| place.open(sealed, Kept::read));
        match kept.and_then(|kept| kept.past(held.stage)) {
            Ok((past, evidence)) => Ok(Some(attempt.after(past, evidence, &held))),
            Err(failure) => {
                attempt.leave().await;
                Err(failure)
            }
        }
    }
}

fn answered(place: &Place, held: &IdempotencyRecord) -> Result<Claim> {
    let sealed =
        held.sealed.as_deref().ok_or_else(|| Failure::internal("a write is done and has no answer"))?;
    place.open(sealed, Answer::read).map(Claim::Answered)
}

/// The digest that stands for a tenant's key: a key may hold anything, also what must not be kept.
pub(super) fn key(tenant: &TenantId, key: &str) -> Text {
    let tenant = tenant.as_str().as_bytes();
    let length = (tenant.len() as u64).to_be_bytes();
    hex(&digest(&[length.as_slice(), tenant, key.as_bytes()].concat())).into()
}

/// What the fingerprint is of; the digest before it has always the same length.
fn request(place: &Place, asked: &[u8]) -> Vec<u8> {
    [place.key.as_bytes(), asked].concat()
}
