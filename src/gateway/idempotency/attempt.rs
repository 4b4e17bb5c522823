//! One write under a key while the key is ours.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::kept::OpenWrite;
use super::observed::SeenLookups;
use super::{Destination, Lease, RecoveryContext, StoredResponse, new_fence};
use crate::clock;
use crate::domain::{
    Candidates, CredentialId, Effect, Failure, FailureKind, RemoteId, Result, Retryable, TenantId, Text,
    Timestamp, Warning,
};
use crate::sealing::{Bound, Sealer};
use crate::store::{Advance, IdempotencyRecord, IdempotencyStore, Stage, now};

/// When recording an answer is tried again.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2)];

/// What an earlier attempt left.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gateway) enum Past {
    /// Nothing: the key is fresh, or a former attempt ended before anything left.
    Nothing,
    /// A former attempt ended while a write without evidence (update, delete, credential) may have been under way.
    Sent,
    /// A create may have been applied; [`InFlightWrite::evidence`] tells of it.
    Unknown,
    /// It was applied.
    Found {
        /// The record that it made.
        remote_id: RemoteId,
        /// What the answer says about it.
        warnings: Vec<Warning>,
    },
    /// It was proven absent, and may be sent once more where [`InFlightWrite::sends`] is 1.
    Absent,
    /// Whether it was applied cannot be told.
    Ambiguous {
        /// Who may be what it made.
        candidates: Candidates,
    },
}

impl Past {
    const fn stage(&self) -> Stage {
        match self {
            Self::Nothing => Stage::Reserved,
            Self::Sent => Stage::Sending,
            Self::Unknown => Stage::Unknown,
            Self::Found { .. } => Stage::Found,
            Self::Absent => Stage::Absent,
            Self::Ambiguous { .. } => Stage::Ambiguous,
        }
    }
}

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

    /// Opens what was sealed for this row, with `read`. Fails with `secret_unreadable`, and as `read` does.
    pub(super) fn open<T>(&self, sealed: &[u8], read: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
        let plain = self.sealer.open(&self.bound(), sealed).map_err(|_| unreadable())?;
        read(secrecy::ExposeSecret::expose_secret(&plain))
    }
}

/// A write under a key that is ours while the lease is renewed in the background. Dropped without an end it is renewed no
/// more, and the row stays as it is until its lease ends.
pub(in crate::gateway) struct InFlightWrite {
    place: Arc<LedgerRow>,
    fence: Text,
    lease: Lease,
    past: Past,
    evidence: Option<Box<RecoveryContext>>,
    destination: Option<Destination>,
    sends: i64,
    first_used: Timestamp,
}

impl InFlightWrite {
    /// Holds the row that was taken under `fence`, with a lease that was asked for at `asked`.
    pub(super) fn holding(place: Arc<LedgerRow>, fence: Text, time: Duration, asked: Instant) -> Self {
        let (held, own) = (place.clone(), fence.clone());
        let lease = Lease::keep(time, asked, move || {
            let (place, fence) = (held.clone(), own.clone());
            async move { place.store.renew(&place.tenant, &place.key, &fence, time).await }
        });
        Self {
            place,
            fence,
            lease,
            past: Past::Nothing,
            evidence: None,
            destination: None,
            sends: 0,
            first_used: now(),
        }
    }

    /// The same, with what an earlier attempt left.
    pub(super) fn after(
        self,
        past: Past,
        evidence: Option<RecoveryContext>,
        held: &IdempotencyRecord,
    ) -> Self {
        let (sends, first_used) = (held.sends, held.created_at);
        if let Some(lookup) = evidence.as_ref().and_then(|evidence| evidence.absent_lookup.as_ref()) {
            self.place.lookups.since(lookup);
        }
        Self { past, evidence: evidence.map(Box::new), sends, first_used, ..self }
    }

    /// The same, with where an earlier attempt sent the write.
    pub(super) fn sent_to(self, destination: Option<Destination>) -> Self {
        Self { destination, ..self }
    }

    /// What an earlier attempt left, or what was noted since.
    pub(in crate::gateway) const fn past(&self) -> &Past {
        &self.past
    }

    /// What tells of the create that may have been applied.
    pub(in crate::gateway) fn evidence(&self) -> Option<&RecoveryContext> {
        self.evidence.as_deref()
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

    /// How often the write was sent, by all attempts.
    pub(in crate::gateway) const fn sends(&self) -> i64 {
        self.sends
    }

    /// Notes durably, just before the first byte may leave, that it may; counts the sends up and keeps `evidence` sealed.
    /// Fails with `store_unavailable`, and with `idempotency_in_progress` where the lease was lost: then nothing may be
    /// sent.
    pub(in crate::gateway) async fn sending(&mut self, evidence: Option<RecoveryContext>) -> Result<()> {
        let past = if evidence.is_some() { Past::Unknown } else { Past::Sent };
        self.write(Stage::Sending, self.sends + 1, past, evidence).await?;
        // The database said yes a moment ago; in that moment this process may have been stopped for long.
        if self.lease.holds() { Ok(()) } else { Err(in_progress()) }
    }

    /// Notes durably what a look-up showed; keeps holding the row. With any outcome but `Unknown` the evidence is erased.
    /// Fails with `store_unavailable`, and with `idempotency_in_progress` where the lease was lost.
    pub(in crate::gateway) async fn note(&mut self, past: Past) -> Result<()> {
        let evidence = self.evidence.as_deref().filter(|_| past == Past::Unknown).cloned();
        self.write(past.stage(), self.sends, past, evidence).await
    }

    /// Notes durably that the last send did nothing and is not counted: the write is as absent as it was proven before.
    /// Fails as [`Self::note`] does.
    pub(in crate::gateway) async fn unsent(&mut self) -> Result<()> {
        self.write(Stage::Absent, self.sends - 1, Past::Absent, None).await
    }

    /// Puts `evidence` in the place of what was known of the create; its outcome stays unknown. Fails as [`Self::note`]
    /// does.
    pub(in crate::gateway) async fn update_evidence(&mut self, evidence: RecoveryContext) -> Result<()> {
        self.write(Stage::Unknown, self.sends, Past::Unknown, Some(evidence)).await
    }

    /// Notes durably that a lookup found nobody, which began at `began`, and whether that proves the create absent: a lookup
    /// before it found nobody either, and by this process's own clock a settle time lies between both, and so does the
    /// time in which the create could still be applied. Fails as [`Self::note`] does.
    pub(in crate::gateway) async fn found_nobody(&mut self, began: Instant) -> Result<bool> {
        let Some(evidence) = self.evidence.as_deref().cloned() else {
            return Err(Failure::internal("a lost create without evidence"));
        };
        let (lookups, settle) = (&self.place.lookups, self.place.settle);
        let Some(first) = &evidence.absent_lookup else {
            let lookup = new_fence()?;
            lookups.since(&lookup);
            self.update_evidence(RecoveryContext { absent_lookup: Some(lookup), ..evidence }).await?;
            return Ok(false);
        };
        if began.saturating_duration_since(lookups.since(first)) < settle.max(evidence.open_for) {
            return Ok(false);
        }
        self.note(Past::Absent).await.map(|()| true)
    }

    /// Records the final answer, erases the request, and gives the answer back: it is answered only when it is recorded,
    /// so that every replay says the same. A database that is away for a moment is waited for.
    /// Fails with `store_unavailable` and `idempotency_in_progress`: the write is done, and a replay looks for it; with
    /// `outcome_unknown` where the database is gone, and the key with it.
    pub(in crate::gateway) async fn record(self, answer: StoredResponse) -> Result<StoredResponse> {
        let Self { place, fence, lease, past: _, evidence: _, destination: _, sends, first_used: _ } = self;
        let sealed = place.seal(&answer.written()?)?;
        let done = Advance { stage: Stage::Done, sends, sealed: Some(&sealed), lease: None };
        let mut pauses = PAUSES.iter();
        let held = loop {
            match place.store.advance(&place.tenant, &place.key, &fence, &done).await {
                Ok(held) => break held,
                Err(_) if place.store.is_lost() => return Err(not_kept()),
                Err(failure) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(not_recorded(failure)),
                },
            }
        };
        lease.end().await;
        if held { Ok(answer) } else { Err(in_progress()) }
    }

    /// Gives the key back: it is as if it had never been used. Where the database cannot be reached, the row stays until
    /// its lease ends.
    /// Fails with `idempotency_in_progress` where another holds the row by now: then what was seen may be its work.
    pub(in crate::gateway) async fn release(self) -> Result<()> {
        let Self { place, fence, lease, past: _, evidence: _, destination: _, sends: _, first_used: _ } =
            self;
        lease.end().await;
        match place.store.release(&place.tenant, &place.key, &fence).await {
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
        self.place.store.is_lost()
    }

    /// Lets the row go as it is, so that a replay goes on at once; the background looks for a lost create after a settle
    /// time, as a lookup before that proves nothing.
    pub(in crate::gateway) async fn leave(self) {
        let pause = if self.evidence.is_some() { self.place.settle } else { Duration::ZERO };
        self.leave_for(pause).await;
    }

    /// The same for a lost create that the background looks for again after `pause`.
    pub(in crate::gateway) async fn leave_for(self, pause: Duration) {
        let Self { place, fence, lease, past: _, evidence: _, destination: _, sends: _, first_used: _ } =
            self;
        lease.end().await;
        if place.store.postpone(&place.tenant, &place.key, &fence, pause).await.is_err() {
            tracing::warn!(
                "the row of a write could not be let go; it is when its lease was not renewed for long enough"
            );
        }
    }

    async fn write(
        &mut self,
        stage: Stage,
        sends: i64,
        past: Past,
        evidence: Option<RecoveryContext>,
    ) -> Result<()> {
        let kept = OpenWrite::of(&past, evidence.as_ref(), self.destination.as_ref())
            .map(|kept| self.place.seal(&kept.written()?))
            .transpose()?;
        let asked = clock::monotonic();
        let to = Advance { stage, sends, sealed: kept.as_deref(), lease: Some(self.lease.time()) };
        let place = &self.place;
        if !place.store.advance(&place.tenant, &place.key, &self.fence, &to).await? {
            self.lease.lose();
            return Err(in_progress());
        }
        self.lease.granted(asked);
        (self.past, self.evidence, self.sends) = (past, evidence.map(Box::new), sends);
        Ok(())
    }
}

/// The write is done and its answer is not recorded: only the same key finds out without writing again.
fn not_recorded(failure: Failure) -> Failure {
    let detail = "The write was sent, and its outcome could not be recorded because the database is away. Send the same request again with the same key: it is looked for, not written twice.";
    Failure { detail: detail.into(), ..failure }.with_retryable(Retryable::SameKeyOnly)
}

/// The write was sent, and the database that held the key is gone: a replay would be a new write.
pub(in crate::gateway) fn not_kept() -> Failure {
    let detail = "The write was sent, and the gateway's database was removed or replaced meanwhile, so its outcome and its \
         Idempotency-Key are not kept. Look at the CRM before you send it again: the same key would write it a second time.";
    Failure::new(FailureKind::OutcomeUnknown, detail).with_effect(Effect::Unknown)
}

/// Somebody else holds the row.
pub(super) fn in_progress() -> Failure {
    let detail =
        "The write of this Idempotency-Key is running; repeat the request in a moment to get its answer.";
    Failure::new(FailureKind::IdempotencyInProgress, detail).with_retry_after(Some(Duration::from_secs(1)))
}

pub(super) fn unreadable() -> Failure {
    Failure::new(
        FailureKind::SecretUnreadable,
        "What is recorded under this Idempotency-Key does not open with the gateway's master key. Let the operator start \
         the gateway with the key that sealed it, or look at the CRM and use a new key.",
    )
}
