//! The order of a write, once for all CRMs and for create, update, upsert and delete.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::condition::{Condition, tag_of_written};
use super::intent::Intent;
use super::locks::{Guard, Locks};
use super::outcome::{shown, unsent};
use super::{ContactView, WriteOptions, incomplete};
use crate::blocking;
use crate::config::crash_point;
use crate::domain::{
    CallContext, Caller, Contact, CredentialId, Effect, Failure, FailureKind, RemoteId, Result, Retryable,
    Scope, TenantId, Timestamp, Warning,
};
use crate::gateway::audit::Entry;
use crate::gateway::credentials::{ConnectedCredential, Credentials};
use crate::gateway::idempotency::{
    Begin, InFlightWrite, Ledger, Past, RecoveryContext, RequestIdentity, StoredResponse, not_kept,
};

/// What a write needs at least to be sent and answered.
pub(super) const SHORTEST_SEND: Duration = Duration::from_millis(100);

/// Makes the answer of a write, or of a refusal that is final; api's, so that what is recorded is what is answered.
pub type ResponseBuilder =
    Arc<dyn Fn(std::result::Result<&ContactView, &Failure>) -> Result<StoredResponse> + Send + Sync>;

/// What goes along with one write, whatever is written.
pub struct WriteRequest {
    /// Deadline and request id.
    pub context: CallContext,
    /// Who asks.
    pub caller: Caller,
    /// Through which credential.
    pub credential: CredentialId,
    /// How it shall be done.
    pub options: WriteOptions,
    /// What it requires of the contact as it is now; creates and upserts have none.
    pub condition: Option<Condition>,
    /// The `Idempotency-Key` and what it stands for, where there is one.
    pub once: Option<RequestIdentity>,
    /// Makes the answer.
    pub render: ResponseBuilder,
}

/// What every write needs of the house; clones share everything.
#[derive(Clone)]
pub(super) struct WriteDeps {
    pub(super) credentials: Credentials,
    pub(super) locks: Locks,
    pub(super) ledger: Ledger,
    /// Between the two looks for a lost create.
    pub(super) settle: Duration,
}

/// What the CRM may have of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: it never left, or was refused for the moment.
    Nothing,
    /// Nothing: an earlier send was lost and proven absent.
    Absent,
    /// Something, or nobody knows.
    Open,
}

impl Standing {
    const fn of(past: &Past) -> Self {
        match past {
            Past::Nothing => Self::Nothing,
            Past::Absent => Self::Absent,
            Past::Sent | Past::Unknown | Past::Found { .. } | Past::Ambiguous { .. } => Self::Open,
        }
    }
}

/// A write on its way through an opened credential.
pub(super) struct WriteOperation<'a> {
    pub(super) context: &'a CallContext,
    pub(super) options: WriteOptions,
    pub(super) condition: Option<&'a Condition>,
    pub(super) tenant: &'a TenantId,
    pub(super) opened: &'a ConnectedCredential,
    pub(super) settle: Duration,
    /// The attempt under the caller's key, where there is one.
    pub(super) attempt: Option<&'a mut InFlightWrite>,
    /// What the CRM may have of this write, by this attempt or an earlier one.
    pub(super) standing: Standing,
    /// Whether an earlier attempt was cut off while a write without evidence was under way.
    pub(super) sent_before: bool,
    /// Whether an upsert is asked for.
    pub(super) upserts: bool,
    /// When this create was first sent, where an earlier send under the same key was proven absent.
    pub(super) earlier: Option<Timestamp>,
    /// Keeps other writes on the same record and identities out.
    pub(super) locks_held: Vec<Guard>,
}

impl WriteRequest {
    /// Runs a write in a task of its own: a caller who leaves must not leave it half done, with its lock let go while
    /// its call is at the CRM.
    pub(super) async fn run_to_its_end(
        self,
        house: WriteDeps,
        intent: Intent,
        entry: Entry,
    ) -> Result<StoredResponse> {
        let task = tokio::spawn(async move { self.run(&house, intent, entry).await });
        let outcome =
            task.await.unwrap_or_else(|_| Err(Failure::internal("the task of a write ended early")));
        crash_point("answered");
        outcome
    }

    /// From the caller's right to the recorded answer. The key is claimed after the right was checked, so that a replay
    /// needs it too, and before anything is looked at, so that a write under it runs once.
    async fn run(&self, house: &WriteDeps, intent: Intent, entry: Entry) -> Result<StoredResponse> {
        let opened = match self.authorise(&house.credentials).await {
            Ok(opened) => opened,
            Err(failure) => return entry.end(Err(failure)).await,
        };
        let mut attempt = match &self.once {
            None => None,
            Some(once) => match self.claim(&house.ledger, once).await {
                Ok(Begin::Run(attempt)) => {
                    crash_point("reserved");
                    Some(*attempt)
                }
                Ok(Begin::Answered(answer)) => return entry.end_replayed(answer).await,
                Err(failure) => return entry.end(Err(failure)).await,
            },
        };
        let past = attempt.as_ref().map_or(&Past::Nothing, InFlightWrite::past);
        let (standing, sent_before) = (Standing::of(past), matches!(past, Past::Sent));
        let mut course = WriteOperation {
            context: &self.context,
            options: self.options,
            condition: self.condition.as_ref(),
            tenant: &self.caller.tenant,
            opened: &opened,
            settle: house.settle,
            attempt: attempt.as_mut(),
            standing,
            sent_before,
            upserts: matches!(intent, Intent::Upsert(..)),
            earlier: None,
            locks_held: Vec::new(),
        };
        let outcome = course.run(&house.locks, intent).await;
        let standing = course.standing;
        drop(course);
        // Recorded before anything else is waited for: what is not recorded must be looked for again.
        let answer = self.answer(outcome.clone(), attempt, standing).await;
        let _ = entry.end_on(outcome, |shown| Some(shown.id.clone())).await;
        crash_point("recorded");
        answer
    }

    async fn rendered(&self, shown: &ContactView) -> Result<StoredResponse> {
        blocking::however_late(&self.context, shown.contact.size(), || (self.render)(Ok(shown))).await
    }

    /// Within the deadline: a database that hangs must not hold the caller.
    async fn claim(&self, ledger: &Ledger, once: &RequestIdentity) -> Result<Begin> {
        let once = match &self.condition {
            None => once,
            Some(condition) => &once.under(&condition.canonical()),
        };
        let claim = ledger.claim(&self.caller, Some(&self.credential), once);
        timeout(self.context.remaining(), claim).await.unwrap_or_else(|_| {
            let detail = "The database did not answer in time; nothing was sent. Try again.";
            Err(Failure::new(FailureKind::StoreUnavailable, detail))
        })
    }

    async fn authorise(&self, credentials: &Credentials) -> Result<ConnectedCredential> {
        self.caller.require(Scope::ContactsWrite)?;
        credentials.open(&self.caller, &self.credential).await
    }

    /// Records what is final before it is answered; frees the key where nothing was done; else leaves what is known to
    /// the replay.
    async fn answer(
        &self,
        outcome: Result<ContactView>,
        attempt: Option<InFlightWrite>,
        standing: Standing,
    ) -> Result<StoredResponse> {
        let Some(attempt) = attempt else { return self.rendered(&outcome?).await };
        crash_point("before_record");
        let failure = match outcome {
            Ok(shown) => return attempt.record(self.rendered(&shown).await?).await,
            Err(failure) if failure.effect == Effect::Final => {
                return attempt.record((self.render)(Err(&failure))?).await;
            }
            Err(failure) => failure,
        };
        // A create that may be applied is asked about with its key alone, whatever the matter is now.
        let may_be_made = !matches!(attempt.past(), Past::Nothing | Past::Sent);
        let asks_for_key = failure.retryable == Retryable::SameKeyOnly || may_be_made;
        if standing == Standing::Open && asks_for_key && attempt.is_lost() {
            return Err(not_kept());
        }
        match standing {
            Standing::Nothing => attempt.release().await?,
            Standing::Absent | Standing::Open => attempt.leave().await,
        }
        Err(match failure.retryable {
            Retryable::Yes if may_be_made => failure.with_retryable(Retryable::SameKeyOnly),
            _ => failure,
        })
    }
}

impl WriteOperation<'_> {
    /// Runs a write from its declaration to the contact that is answered. The order matters: nothing is sent before
    /// everything that can be refused without sending has been, and nothing is confirmed before it was read back.
    async fn run(&mut self, locks: &Locks, intent: Intent) -> Result<ContactView> {
        let opened = self.opened;
        intent.supported(opened)?; // Before any look at the id: what a CRM cannot do, it can for no contact.
        let target = intent.target(opened)?;
        let warnings = intent.declared(opened)?;
        self.refuse_if_strict(&warnings)?;
        let words = intent.words(opened, target.as_ref());
        let visit = opened.account.visit()?;
        self.locks_held.push(locks.hold(self.context, self.place(), words).await?);
        // Behind the lock: who waits for another write takes no place from those who do not.
        let _place = visit.enter(self.context).await?;
        // What an earlier attempt under the same key has done comes before anything new.
        if let Some(done) = self.resumed(&intent).await? {
            return Ok(done);
        }
        match intent {
            Intent::Upsert(upsert, match_on) => self.upsert(locks, *upsert, match_on).await,
            intent => self.carry_out(intent, target, warnings).await,
        }
    }

    /// A create, update or delete under its lock, from the last reads to the contact that is answered.
    pub(super) async fn carry_out(
        &mut self,
        intent: Intent,
        target: Option<RemoteId>,
        mut warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let opened = self.opened;
        if let (Intent::Delete(_), Some(id), true) = (&intent, &target, self.sent_before) {
            // What the attempt before may have removed is looked at before anything is removed again.
            let read = opened.adapter.get_contact(self.context, id).await;
            if read.as_ref().is_err_and(|failure| failure.kind == FailureKind::ContactNotFound) {
                return Ok(shown(opened, Contact::bare(id.clone()), Vec::new()));
            }
        }
        let held = match self.held(&intent, target.as_ref()).await {
            Err(failure) => return self.gone_already(&intent, target, unsent(failure)),
            Ok(held) => held,
        };
        let unmet = self.unmet(held.as_ref()).await?;
        if let Some(changed) = unmet.as_ref().filter(|_| !self.may_have_changed_it(&intent)) {
            return Err(changed.clone());
        }
        let intent = self.without_parts(intent, held.as_ref(), &mut warnings).await?;
        let size = held.as_ref().map_or(0, Contact::size);
        warnings.extend(
            blocking::within(self.context, size, || intent.declared_of(opened, held.as_ref())).await??,
        );
        self.refuse_if_strict(&warnings)?;
        let prepared = match self.prepare(&intent, target.as_ref(), held.as_ref()).await {
            Err(failure) => return self.gone_already(&intent, target, unsent(failure)),
            Ok(prepared) => prepared,
        };
        warnings.extend(prepared.losses.iter().cloned());
        self.refuse_if_strict(&warnings)?;
        if let (true, Some(held)) = (prepared.is_noop, &held) {
            warnings.extend(incomplete(held));
            return Ok(self.as_read(held.clone(), warnings).await);
        }
        self.refuse_unless_applied(&prepared, held.as_ref(), unmet).await?;
        // Last of all reads, so that the time in which another writer can slip in is short.
        let seen = match self.look_up(&intent, &prepared, held.as_ref()).await.map_err(unsent) {
            Err(failure) if failure.kind == FailureKind::ContactExists && self.earlier.is_some() => {
                return self.applied_late(&prepared, failure, warnings).await;
            }
            seen => seen?,
        };
        crash_point("looked_up");
        if let Some(done) = self.applied_unnamed(&prepared, &seen, &warnings).await? {
            return Ok(done);
        }
        self.refuse_if_late()?;
        warnings.extend(self.duplicates(&intent, &seen));
        match &intent {
            Intent::Create(draft) => self.create(draft, &prepared, &seen, warnings).await,
            Intent::Update(..) => {
                let held = held.ok_or_else(|| Failure::internal("a change without a record"))?;
                self.update(&prepared, &held, warnings).await
            }
            Intent::Delete(_) => match self.delete(&prepared).await {
                Err(failure) => self.gone_already(&intent, target, failure),
                removed => removed,
            },
            Intent::Upsert(..) => Err(Failure::internal("an upsert that was not decided")),
        }
    }

    /// The contact as the CRM shows it after the write, with its tag.
    pub(super) async fn as_read(&self, contact: Contact, warnings: Vec<Warning>) -> ContactView {
        let tag = tag_of_written(self.context, self.opened, &contact).await;
        ContactView { tag, ..shown(self.opened, contact, warnings) }
    }

    /// Whose account is written to.
    pub(super) fn place(&self) -> (&TenantId, &CredentialId) {
        (self.tenant, &self.opened.id)
    }

    /// Notes, durably, that the write may be under way from now on. Fails where that cannot be noted: then nothing is
    /// sent.
    pub(super) async fn sending(&mut self, evidence: Option<RecoveryContext>) -> Result<()> {
        if let Some(attempt) = &mut self.attempt {
            attempt.send_to(self.opened.destination());
            attempt.sending(evidence).await?;
        }
        if !self.locks_held.iter().all(Guard::holds) {
            let detail = "The gateway stood still for so long that another write may be under way on the same contact. Nothing was sent; try again.";
            return Err(Failure::new(FailureKind::GatewayTimeout, detail));
        }
        self.standing = Standing::Open;
        crash_point("sending_noted");
        Ok(())
    }

    /// A removal whose earlier attempt was cut off, and whose contact is not there, is done.
    fn gone_already(
        &self,
        intent: &Intent,
        target: Option<RemoteId>,
        failure: Failure,
    ) -> Result<ContactView> {
        match (intent, target) {
            (Intent::Delete(_), Some(id))
                if self.sent_before && failure.kind == FailureKind::ContactNotFound =>
            {
                Ok(shown(self.opened, Contact::bare(id), Vec::new()))
            }
            _ => Err(failure),
        }
    }
}
