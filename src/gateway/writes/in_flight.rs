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

/// When recording a response is tried again.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2)];

/// The row of one key, and what opens it.
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

    /// The state that `record` holds, and where its write was sent. Fails with `secret_unreadable` and `internal`.
    pub(super) fn state_of(&self, record: &IdempotencyRecord) -> Result<(WriteState, Option<Destination>)> {
        let Some(sealed) = &record.sealed else { return WriteState::from_bytes(record.stage, None) };
        let plain = self.sealer.open(&self.bound(), sealed).map_err(|_| unreadable())?;
        WriteState::from_bytes(record.stage, Some(secrecy::ExposeSecret::expose_secret(&plain)))
    }
}

/// A write whose row is ours: the lease is renewed in the background. If it is dropped without an end, the row stays as it
/// is until its lease ends.
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
    /// Holds the row that was taken under `fence`, with a lease that was asked for at `asked`.
    pub(super) fn new(row: Arc<LedgerRow>, fence: Text, time: Duration, asked: Instant) -> Self {
        let (held, own) = (row.clone(), fence.clone());
        let lease = Lease::keep(time, asked, move || {
            let (row, fence) = (held.clone(), own.clone());
            async move { row.store.renew(&row.tenant, &row.key, &fence, time).await }
        });
        let (state, destination) = (WriteState::Reserved, None);
        Self { row, fence, lease, state, destination, sends: 0, first_used: now() }
    }

    /// Goes on with what another request or process left in `record`. Fails as [`LedgerRow::state_of`] does, and lets the
    /// row go then.
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

    /// Where an earlier attempt sent the write; `None` if nothing was sent, or if that was not noted.
    pub(in crate::gateway) const fn destination(&self) -> Option<&Destination> {
        self.destination.as_ref()
    }

    /// Notes where the write is sent next; it is kept with all that is written from now on. An account id that is known
    /// from an earlier send stays known: the caller has checked that it is the same account.
    pub(in crate::gateway) fn send_to(&mut self, destination: Destination) {
        let known = self.destination.take().and_then(|earlier| earlier.account_id);
        let account_id = destination.account_id.or(known);
        self.destination = Some(Destination { account_id, ..destination });
    }

    /// When the key was first used: nothing was sent under it before.
    pub(in crate::gateway) const fn first_used(&self) -> Timestamp {
        self.first_used
    }

    /// How often the write was sent, by all requests.
    pub(in crate::gateway) const fn sends(&self) -> i64 {
        self.sends
    }

    /// Notes durably, just before the first byte may leave, that it may; counts the sends up. A create keeps the `context`
    /// to search for it.
    /// Fails with `store_unavailable`, and with `idempotency_in_progress` if the lease was lost: then nothing may be sent.
    pub(in crate::gateway) async fn sending(&mut self, context: Option<RecoveryContext>) -> Result<()> {
        let state = context.map_or(WriteState::Sent, |context| WriteState::Unknown(Box::new(context)));
        self.write(Stage::Sending, self.sends + 1, state).await?;
        // The database said yes just now; since then this process may have been stopped for long.
        if self.lease.holds() { Ok(()) } else { Err(in_progress()) }
    }

    /// Notes `state` durably and keeps holding the row. Only `Unknown` keeps the request. Fails with `store_unavailable`,
    /// and with `idempotency_in_progress` if the lease was lost.
    pub(in crate::gateway) async fn note(&mut self, state: WriteState) -> Result<()> {
        self.write(state.stage(), self.sends, state).await
    }

    /// The CRM refused what was sent last, which had no effect: the state is `before` again. Only a create that was proven
    /// absent before has that noted, as its row counts its sends. Fails as [`Self::note`] does.
    pub(in crate::gateway) async fn refused(&mut self, before: WriteState) -> Result<()> {
        if before == WriteState::NotApplied {
            return self.write(Stage::Absent, self.sends - 1, before).await;
        }
        self.not_sent(before);
        Ok(())
    }

    /// What was noted as sent was not sent: the state is `before` again.
    pub(in crate::gateway) fn not_sent(&mut self, before: WriteState) {
        self.state = before;
    }

    /// Notes durably that a lookup that began at `began` found nobody, and returns whether that proves the create absent: an
    /// earlier lookup found nobody either, and by this process's own clock a settle time lies between both, and so does the
    /// time in which the create could still be applied. Fails as [`Self::note`] does.
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

    /// Records the final response, erases the request, and returns the response: it is sent only when it is recorded, so
    /// that every replay says the same. A database that is away for a moment is waited for.
    /// Fails with `store_unavailable` and `idempotency_in_progress`: the write is done, and a replay searches for it; with
    /// `outcome_unknown` if the database is gone, and the key with it.
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

    /// Frees the key, as if it had never been used. If the database cannot be reached, the row stays until its lease ends.
    /// Fails with `idempotency_in_progress` if another holds the row by now: then what was seen may be its work.
    pub(in crate::gateway) async fn release(self) -> Result<()> {
        let Self { row, fence, lease, .. } = self;
        lease.end().await;
        match row.store.release(&row.tenant, &row.key, &fence).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(in_progress()),
            Err(_) => {
                tracing::warn!("an Idempotency-Key could not be released; it is free when its lease ends");
                Ok(())
            }
        }
    }

    /// Whether the row is lost with its database.
    pub(in crate::gateway) fn is_lost(&self) -> bool {
        self.row.store.is_lost()
    }

    /// Lets the row go as it is, so that a replay goes on at once. The recovery worker searches for a lost create after a
    /// settle time, as a lookup before that proves nothing.
    pub(in crate::gateway) async fn leave(self) {
        let pause = if self.state.recovery_context().is_some() { self.row.settle } else { Duration::ZERO };
        self.leave_for(pause).await;
    }

    /// The same for a lost create that the recovery worker searches for again after `pause`.
    pub(in crate::gateway) async fn leave_for(self, pause: Duration) {
        let Self { row, fence, lease, .. } = self;
        lease.end().await;
        if row.store.postpone(&row.tenant, &row.key, &fence, pause).await.is_err() {
            tracing::warn!(
                "the row of a write could not be let go; it is when its lease was not renewed for long enough"
            );
        }
    }

    async fn write(&mut self, stage: Stage, sends: i64, next: WriteState) -> Result<()> {
        let row = &self.row;
        let plain = next.to_bytes(self.destination.as_ref())?;
        let sealed = plain.map(|plain| row.seal(&plain)).transpose()?;
        let asked = clock::monotonic();
        let to = Advance { stage, sends, sealed: sealed.as_deref(), lease: Some(self.lease.time()) };
        if !row.store.advance(&row.tenant, &row.key, &self.fence, &to).await? {
            self.lease.lose();
            return Err(in_progress());
        }
        self.lease.granted(asked);
        (self.state, self.sends) = (next, sends);
        Ok(())
    }
}

/// The write is done and its response is not recorded: only the same key finds out without writing again.
fn not_recorded(failure: Failure) -> Failure {
    let detail = "The write was sent, and its outcome could not be recorded because the database is away. Send the same request again with the same key: it is looked for, not written twice.";
    Failure { detail: detail.into(), ..failure }.with_retryable(Retryable::SameKeyOnly)
}

/// The write was sent, and the database that held the key is gone: a replay would be a new write.
pub(super) fn not_kept() -> Failure {
    let detail = "The write was sent, and the gateway's database was removed or replaced meanwhile, so its outcome and its \
         Idempotency-Key are not kept. Look at the CRM before you send it again: the same key would write it a second time.";
    Failure::new(FailureKind::OutcomeUnknown, detail).with_effect(Effect::Unknown)
}

/// Somebody else holds the row.
pub(super) fn in_progress() -> Failure {
    let detail =
        "The write of this Idempotency-Key is running; repeat the request in a moment to get its response.";
    Failure::new(FailureKind::IdempotencyInProgress, detail).with_retry_after(Some(Duration::from_secs(1)))
}

pub(super) fn unreadable() -> Failure {
    Failure::new(
        FailureKind::SecretUnreadable,
        "What is recorded under this Idempotency-Key does not open with the gateway's master key. Let the operator start \
         the gateway with the key that sealed it, or look at the CRM and use a new key.",
    )
}
