//! One write under a key, while this process holds the row of the key.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::seen::SeenLookups;
use super::{Destination, Lease, RecoveryContext, StoredResponse, WriteState, new_fence};
use crate::clock;
use crate::domain::{
    CredentialId, Effect, Failure, FailureKind, Result, Retryable, TenantId, Text, Timestamp,
};
use crate::sealing::{Bound, Sealer};
use crate::store::{Advance, IdempotencyRecord, IdempotencyStore, Stage, now};

/// The pauses between attempts to record a response.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2)];

/// The row of one key, and the sealer for it.
pub(super) struct LedgerRow {
    pub(super) store: Arc<dyn IdempotencyStore>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) tenant: TenantId,
    pub(super) key: Text,
    pub(super) credential: Option<CredentialId>,
    pub(super) settle: Duration,
    pub(super) lookups: Arc<SeenLookups>,
}

impl LedgerRow {
    fn bound(&self) -> Bound<'_> {
        let credential = self.credential.as_ref().map_or("", CredentialId::as_str);
        Bound { tenant: self.tenant.as_str(), credential, column: "idempotency", base_url: &self.key }
    }

    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        self.sealer.seal(&self.bound(), plain)
    }

    /// The state in `record`, and the destination of its write. Fails with `secret_unreadable` and `internal`.
    pub(super) fn state_of(&self, record: &IdempotencyRecord) -> Result<(WriteState, Option<Destination>)> {
        let Some(sealed) = &record.sealed else { return WriteState::from_bytes(record.stage, None) };
        let plain = self.sealer.open(&self.bound(), sealed).map_err(|_| unreadable())?;
        WriteState::from_bytes(record.stage, Some(secrecy::ExposeSecret::expose_secret(&plain)))
    }
}

/// A write whose row this process holds. The lease is renewed in the background. If the value is dropped without an end, the
/// lease lasts until another process has seen no renewal for one lease time.
pub(in crate::gateway) struct InFlightWrite {
    row: Arc<LedgerRow>,
    fence: Text,
    lease: Lease,
    state: WriteState,
    destination: Option<Destination>,
    sends: i64,
    first_used: Timestamp,
}

impl InFlightWrite {
    /// Holds the row that was taken under `fence`; the lease was requested at `requested_at`.
    pub(super) fn new(row: Arc<LedgerRow>, fence: Text, time: Duration, requested_at: Instant) -> Self {
        let (held, own) = (row.clone(), fence.clone());
        let lease = Lease::keep(time, requested_at, move || {
            let (row, fence) = (held.clone(), own.clone());
            async move { row.store.renew(&row.tenant, &row.key, &fence, time).await }
        });
        let (state, destination) = (WriteState::Reserved, None);
        Self { row, fence, lease, state, destination, sends: 0, first_used: now() }
    }

    /// Continues with the state in `record`, which another request or process left. Fails like [`LedgerRow::state_of`], and
    /// then releases the row.
    pub(super) async fn resume(self, record: &IdempotencyRecord) -> Result<Self> {
        let (state, destination) = match self.row.state_of(record) {
            Ok(read) => read,
            Err(failure) => {
                self.leave().await;
                return Err(failure);
            }
        };
        if let Some(lookup) = state.recovery_context().and_then(|context| context.absent_lookup.as_ref()) {
            self.row.lookups.since(lookup);
        }
        Ok(Self { state, destination, sends: record.sends, first_used: record.created_at, ..self })
    }

    pub(in crate::gateway) const fn state(&self) -> &WriteState {
        &self.state
    }

    /// Where an earlier attempt sent the write; `None` if nothing was sent or this is not known.
    pub(in crate::gateway) const fn destination(&self) -> Option<&Destination> {
        self.destination.as_ref()
    }

    /// Sets where the write is sent next; every later write of the row stores it. An account id of an earlier send is kept:
    /// the caller has checked that it is the same account.
    pub(in crate::gateway) fn send_to(&mut self, destination: Destination) {
        let known = self.destination.take().and_then(|earlier| earlier.account_id);
        let account_id = destination.account_id.or(known);
        self.destination = Some(Destination { account_id, ..destination });
    }

    /// When the key was first used. Nothing was sent under it before.
    pub(in crate::gateway) const fn first_used(&self) -> Timestamp {
        self.first_used
    }

    /// The number of sends, over all requests.
    pub(in crate::gateway) const fn sends(&self) -> i64 {
        self.sends
    }

    /// Stores durably that the write may be sent, before the first byte is sent, and counts the send. For a create it stores
    /// the `context` of a later search.
    /// Fails with `store_unavailable`, and with `idempotency_in_progress` if the lease was lost. Then nothing may be sent.
    pub(in crate::gateway) async fn sending(&mut self, context: Option<RecoveryContext>) -> Result<()> {
        let state = context.map_or(WriteState::Sent, |context| WriteState::Unknown(Box::new(context)));
        self.write(Stage::Sending, self.sends + 1, state).await?;
        // The database confirmed it, but this process may have been stopped since then.
        if self.lease.holds() { Ok(()) } else { Err(in_progress()) }
    }

    /// Stores `state` durably and keeps the row. Only `Unknown` keeps the request. Fails with `store_unavailable`,
    /// and with `idempotency_in_progress` if the lease was lost.
    pub(in crate::gateway) async fn note(&mut self, state: WriteState) -> Result<()> {
        self.write(state.stage(), self.sends, state).await
    }

    /// The CRM refused the last send, which had no effect: the state is `before` again. This is stored only for a create that
    /// was proven absent before, because its row counts the sends. Fails like [`Self::note`].
    pub(in crate::gateway) async fn refused(&mut self, before: WriteState) -> Result<()> {
        if before == WriteState::NotApplied {
            return self.write(Stage::Absent, self.sends - 1, before).await;
        }
        self.not_sent(before);
        Ok(())
    }

    /// The stored send did not happen: the state is `before` again.
    pub(in crate::gateway) fn not_sent(&mut self, before: WriteState) {
        self.state = before;
    }

    /// Stores durably that a lookup that began at `began` found nobody. Returns whether that proves that the create was not
    /// applied: an earlier lookup found nobody either, and by this process's clock the settle time and the time in which the
    /// create could still be applied are both over since then. Fails like [`Self::note`].
    pub(in crate::gateway) async fn found_nobody(&mut self, began: Instant) -> Result<bool> {
        let WriteState::Unknown(context) = &self.state else { return Ok(false) };
        let (lookups, settle) = (&self.row.lookups, self.row.settle);
        let Some(first) = &context.absent_lookup else {
            let lookup = new_fence()?;
            lookups.since(&lookup);
            let context = RecoveryContext { absent_lookup: Some(lookup), ..(**context).clone() };
            self.note(WriteState::Unknown(Box::new(context))).await?;
            return Ok(false);
        };
        if began.saturating_duration_since(lookups.since(first)) < settle.max(context.open_for) {
            return Ok(false);
        }
        self.note(WriteState::NotApplied).await.map(|()| true)
    }

    /// Records the final response, erases the request, and returns the response. The response is sent only after it is
    /// recorded, so every replay returns the same. If the database is unavailable, this retries for a short time.
    /// Fails with `store_unavailable` and `idempotency_in_progress`: the write is done, and a replay searches for it. Fails with
    /// `outcome_unknown` if the database and the key are lost.
    pub(in crate::gateway) async fn record(self, response: StoredResponse) -> Result<StoredResponse> {
        let Self { row, fence, lease, sends, .. } = self;
        let sealed = row.seal(&response.to_bytes()?)?;
        let done = Advance { stage: Stage::Done, sends, sealed: Some(&sealed), lease: None };
        let mut pauses = PAUSES.iter();
        let held = loop {
            match row.store.advance(&row.tenant, &row.key, &fence, &done).await {
                Ok(held) => break held,
                Err(_) if row.store.is_lost() => return Err(not_kept()),
                Err(failure) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(not_recorded(failure)),
                },
            }
        };
        lease.end().await;
        if held { Ok(response) } else { Err(in_progress()) }
    }

    /// Frees the key: removes its row. If the database is unavailable, the row stays, and only the same request may use the
    /// key until it expires.
    /// Fails with `idempotency_in_progress` if another process holds the row now: then the contact may be its work.
    pub(in crate::gateway) async fn free_key(self) -> Result<()> {
        let Self { row, fence, lease, .. } = self;
        lease.end().await;
        match row.store.remove(&row.tenant, &row.key, &fence).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(in_progress()),
            Err(_) => {
                tracing::warn!(
                    "the row of an Idempotency-Key could not be removed; until it expires, only the same request may use the key"
                );
                Ok(())
            }
        }
    }

    /// Whether the row is lost with its database.
    pub(in crate::gateway) fn is_lost(&self) -> bool {
        self.row.store.is_lost()
    }

    /// Releases the row as it is, so that a replay can continue at once. The recovery worker searches for a lost create after
    /// the settle time, because an earlier lookup proves nothing.
    pub(in crate::gateway) async fn leave(self) {
        let pause = if self.state.recovery_context().is_some() { self.row.settle } else { Duration::ZERO };
        self.leave_for(pause).await;
    }

    /// Like [`Self::leave`], but the recovery worker searches again after `pause`.
    pub(in crate::gateway) async fn leave_for(self, pause: Duration) {
        let Self { row, fence, lease, .. } = self;
        lease.end().await;
        if row.store.postpone(&row.tenant, &row.key, &fence, pause).await.is_err() {
            tracing::warn!("the row of a write could not be released; it is released when its lease ends");
        }
    }

    async fn write(&mut self, stage: Stage, sends: i64, next: WriteState) -> Result<()> {
        let row = &self.row;
        let plain = next.to_bytes(self.destination.as_ref())?;
        let sealed = plain.map(|plain| row.seal(&plain)).transpose()?;
        let requested_at = clock::monotonic();
        let to = Advance { stage, sends, sealed: sealed.as_deref(), lease: Some(self.lease.time()) };
        if !row.store.advance(&row.tenant, &row.key, &self.fence, &to).await? {
            self.lease.lose();
            return Err(in_progress());
        }
        self.lease.granted(requested_at);
        (self.state, self.sends) = (next, sends);
        Ok(())
    }
}

/// The write is done and its response is not recorded. Only a request with the same key can find the outcome safely.
fn not_recorded(failure: Failure) -> Failure {
    let detail = "The write was sent, and its outcome could not be recorded because the database is unavailable. Send the same request again with the same key. The gateway then searches for the outcome and does not write twice.";
    Failure { detail: detail.into(), ..failure }.with_retryable(Retryable::SameKeyOnly)
}

/// The write was sent, and the database with the key is lost. A replay would write again.
pub(super) fn not_kept() -> Failure {
    let detail = "The write was sent, but the gateway's database was then removed or replaced. The outcome and the \
         Idempotency-Key are lost. Check the CRM before you send the request again, because the same key would write again.";
    Failure::new(FailureKind::OutcomeUnknown, detail).with_effect(Effect::Unknown)
}

/// Another request or process holds the row.
pub(super) fn in_progress() -> Failure {
    let detail =
        "The write with this Idempotency-Key is in progress. Repeat the request to get its response.";
    Failure::new(FailureKind::IdempotencyInProgress, detail).with_retry_after(Some(Duration::from_secs(1)))
}

pub(super) fn unreadable() -> Failure {
    Failure::new(
        FailureKind::SecretUnreadable,
        "The record of this Idempotency-Key cannot be opened with the gateway's master key. Ask the operator to start \
         the gateway with the key that sealed it, or check the CRM and use a new key.",
    )
}
