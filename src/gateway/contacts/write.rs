//! The order of a write, once for all CRMs and for create, update, upsert and delete.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::intent::Intent;
use super::locks::{Guard, Locks};
use super::outcome::{candidates, exists, shown, unsent};
use super::{Shown, WriteOptions, incomplete};
use crate::adapters::{Found, Match, Prepared};
use crate::config::crash_point;
use crate::domain::{
    CallContext, Caller, Contact, CredentialId, Effect, Failure, FailureKind, FieldFault, RemoteId, Result,
    Retryable, Scope, TenantId, Timestamp, Warning, WarningCode,
};
use crate::gateway::audit::Entry;
use crate::gateway::credentials::{Credentials, Opened};
use crate::gateway::idempotency::{Answer, Attempt, Claim, Evidence, Ledger, Once, Past};

/// What a write needs at least to be sent and answered.
pub(super) const SHORTEST_SEND: Duration = Duration::from_millis(100);

/// Makes the answer of a write, or of a refusal that is final; api's, so that what is recorded is what is answered.
pub type Render = Arc<dyn Fn(std::result::Result<&Shown, &Failure>) -> Result<Answer> + Send + Sync>;

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
    /// The `Idempotency-Key` and what it stands for, where there is one.
    pub once: Option<Once>,
    /// Makes the answer.
    pub render: Render,
}

/// What every write needs of the house; clones share everything.
#[derive(Clone)]
pub(super) struct House {
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
pub(super) struct Course<'a> {
    pub(super) context: &'a CallContext,
    pub(super) options: WriteOptions,
    pub(super) tenant: &'a TenantId,
    pub(super) opened: &'a Opened,
    pub(super) settle: Duration,
    /// The attempt under the caller's key, where there is one.
    pub(super) attempt: Option<&'a mut Attempt>,
    /// What the CRM may have of this write, by this attempt or an earlier one.
    pub(super) standing: Standing,
    /// Whether an earlier attempt was cut off while a write without evidence was under way.
    sent_before: bool,
    /// Whether an upsert is asked for.
    pub(super) upserts: bool,
    /// When this create was first sent, where an earlier send under the same key was proven absent.
    pub(super) earlier: Option<Timestamp>,
    /// Keeps other writes on the same record and identities out.
    pub(super) serial: Vec<Guard>,
}

impl WriteRequest {
    /// Runs a write in a task of its own: a caller who leaves must not leave it half done, with its lock let go while
    /// its call is at the CRM.
    pub(super) async fn run_to_its_end(self, house: House, intent: Intent, entry: Entry) -> Result<Answer> {
        let task = tokio::spawn(async move { self.run(&house, intent, entry).await });
        let outcome =
            task.await.unwrap_or_else(|_| Err(Failure::internal("the task of a write ended early")));
        crash_point("answered");
        outcome
    }

    /// From the caller's right to the recorded answer. The key is claimed after the right was checked, so that a replay
    /// needs it too, and before anything is looked at, so that a write under it runs once.
    async fn run(&self, house: &House, intent: Intent, entry: Entry) -> Result<Answer> {
        let opened = match self.authorise(&house.credentials).await {
            Ok(opened) => opened,
            Err(failure) => return entry.end(Err(failure)).await,
        };
        let mut attempt = match &self.once {
            None => None,
            Some(once) => match self.claim(&house.ledger, once).await {
                Ok(Claim::Run(attempt)) => {
                    crash_point("reserved");
                    Some(*attempt)
                }
                Ok(Claim::Answered(answer)) => return entry.end_replayed(answer).await,
                Err(failure) => return entry.end(Err(failure)).await,
            },
        };
        let past = attempt.as_ref().map_or(&Past::Nothing, Attempt::past);
        let (standing, sent_before) = (Standing::of(past), matches!(past, Past::Sent));
        let mut course = Course {
            context: &self.context,
            options: self.options,
            tenant: &self.caller.tenant,
            opened: &opened,
            settle: house.settle,
            attempt: attempt.as_mut(),
            standing,
            sent_before,
            upserts: matches!(intent, Intent::Upsert(..)),
            earlier: None,
            serial: Vec::new(),
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

    /// Within the deadline: a database that hangs must not hold the caller.
    async fn claim(&self, ledger: &Ledger, once: &Once) -> Result<Claim> {
        let claim = ledger.claim(&self.caller, Some(&self.credential), once);
        timeout(self.context.remaining(), claim).await.unwrap_or_else(|_| {
            let detail = "The database did not answer in time; nothing was sent. Try again.";
            Err(Failure::new(FailureKind::StoreUnavailable, detail))
        })
    }

    async fn authorise(&self, credentials: &Credentials) -> Result<Opened> {
        self.caller.require(Scope::ContactsWrite)?;
        credentials.open(&self.caller, &self.credential).await
    }

    /// Records what is final before it is answered; frees the key where nothing was done; else leaves what is known to
    /// the replay.
    async fn answer(
        &self,
        outcome: Result<Shown>,
        attempt: Option<Attempt>,
        standing: Standing,
    ) -> Result<Answer> {
        let Some(mut attempt) = attempt else { return (self.render)(Ok(&outcome?)) };
        crash_point("before_record");
        let failure = match outcome {
            Ok(shown) => return attempt.record((self.render)(Ok(&shown))?).await,
            Err(failure) if failure.effect == Effect::Final => {
                return attempt.record((self.render)(Err(&failure))?).await;
            }
            Err(failure) => failure,
        };
        // A create that may be applied is asked about with its key alone, whatever the matter is now.
        let may_be_made = !matches!(attempt.past(), Past::Nothing | Past::Sent);
        match standing {
            Standing::Nothing => attempt.release().await?,
            Standing::Absent => {
                // A send that was refused for the moment counts as none.
                if *attempt.past() != Past::Absent {
                    attempt.unsend().await?;
                }
                attempt.leave().await;
            }
            Standing::Open => attempt.leave().await,
        }
        Err(match failure.retryable {
            Retryable::Yes if may_be_made => failure.with_retryable(Retryable::SameKeyOnly),
            _ => failure,
        })
    }
}

impl Course<'_> {
    /// Runs a write from its declaration to the contact that is answered. The order matters: nothing is sent before
    /// everything that can be refused without sending has been, and nothing is confirmed before it was read back.
    async fn run(&mut self, locks: &Locks, intent: Intent) -> Result<Shown> {
        let opened = self.opened;
        intent.supported(opened)?; // Before any look at the id: what a CRM cannot do, it can for no contact.
        let target = intent.target(opened)?;
        let warnings = intent.declared(opened)?;
        self.refuse_if_strict(&warnings)?;
        let words = intent.words(opened, target.as_ref());
        self.serial.push(locks.hold(self.context, self.place(), words).await?);
        // Behind the lock: who waits for another write takes no place from those who do not.
        let _place = opened.account.enter(self.context).await?;
        // What an earlier attempt under the same key has done comes before anything new.
        if let Some(done) = self.resumed(&intent).await? {
            return Ok(done);
        }
        match intent {
            Intent::Upsert(draft, match_on) => self.upsert(locks, draft, match_on).await,
            intent => self.carry_out(intent, target, warnings).await,
        }
    }

    /// A create, update or delete under its lock, from the last reads to the contact that is answered.
    pub(super) async fn carry_out(
        &mut self,
        intent: Intent,
        target: Option<RemoteId>,
        mut warnings: Vec<Warning>,
    ) -> Result<Shown> {
        let opened = self.opened;
        if let (Intent::Delete(_), Some(id), true) = (&intent, &target, self.sent_before) {
            // What the attempt before may have removed is looked at before anything is removed again.
            let read = opened.adapter.get_contact(self.context, id).await;
            if read.as_ref().is_err_and(|failure| failure.kind == FailureKind::ContactNotFound) {
                return Ok(shown(opened, Contact::bare(id.clone()), Vec::new()));
            }
        }
        let held = self.held(&intent, target.as_ref()).await.map_err(unsent)?;
        warnings.extend(intent.declared_of(opened, held.as_ref()));
        self.refuse_if_strict(&warnings)?;
        let prepared = match self.prepare(&intent, target.as_ref(), held.as_ref()).await {
            Err(failure) => return self.gone_already(&intent, target, unsent(failure)),
            Ok(prepared) => prepared,
        };
        warnings.extend(prepared.losses.iter().cloned());
        self.refuse_if_strict(&warnings)?;
        if let (true, Some(held)) = (prepared.nothing_to_do, &held) {
            warnings.extend(incomplete([held]));
            return Ok(shown(opened, held.clone(), warnings));
        }
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
        match &intent {
            Intent::Create(draft) => self.create(draft, &prepared, &seen, warnings).await,
            Intent::Update(..) => self.update(&prepared, held, warnings).await,
            Intent::Delete(_) => match self.delete(&prepared).await {
                Err(failure) => self.gone_already(&intent, target, failure),
                removed => removed,
            },
            Intent::Upsert(..) => Err(Failure::internal("an upsert that was not decided")),
        }
    }

    /// Whose account is written to.
    pub(super) fn place(&self) -> (&TenantId, &CredentialId) {
        (self.tenant, &self.opened.id)
    }

    /// Notes, durably, that the write may be under way from now on. Fails where that cannot be noted: then nothing is
    /// sent.
    pub(super) async fn sending(&mut self, evidence: Option<Evidence>) -> Result<()> {
        if let Some(attempt) = &mut self.attempt {
            attempt.sending(evidence).await?;
        }
        if !self.serial.iter().all(Guard::holds) {
            let detail = "The gateway stood still for so long that another write may be under way on the same contact. Nothing was sent; try again.";
            return Err(Failure::new(FailureKind::GatewayTimeout, detail));
        }
        self.standing = Standing::Open;
        crash_point("sending_noted");
        Ok(())
    }

    /// A removal whose earlier attempt was cut off, and whose contact is not there, is done.
    fn gone_already(&self, intent: &Intent, target: Option<RemoteId>, failure: Failure) -> Result<Shown> {
        match (intent, target) {
            (Intent::Delete(_), Some(id))
                if self.sent_before && failure.kind == FailureKind::ContactNotFound =>
            {
                Ok(shown(self.opened, Contact::bare(id), Vec::new()))
            }
            _ => Err(failure),
        }
    }

    /// A write that cannot be answered in time is not sent: its outcome would be unknown for nothing.
    fn refuse_if_late(&self) -> Result<()> {
        if self.context.remaining() >= SHORTEST_SEND {
            return Ok(());
        }
        let detail = "The time for this request was used up before the write was sent; nothing was written. Try again with more time.";
        Err(Failure::new(FailureKind::GatewayTimeout, detail))
    }

    /// With `strict=true` nothing is sent that could not be stored to the letter.
    pub(super) fn refuse_if_strict(&self, warnings: &[Warning]) -> Result<()> {
        let lost =
            |warning: &&Warning| matches!(warning.code, WarningCode::NotStored | WarningCode::PhoneNotParsed);
        let fault = |warning: &Warning| {
            FieldFault::member(warning.pointer.clone(), warning.code.as_str(), warning.message.clone())
        };
        let faults: Vec<FieldFault> = warnings.iter().filter(lost).map(fault).collect();
        if !self.options.strict || faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// The record that a change is made to, as the CRM holds it now.
    async fn held(&self, intent: &Intent, target: Option<&RemoteId>) -> Result<Option<Contact>> {
        match (intent, target) {
            (Intent::Update(..), Some(id)) => {
                self.opened.adapter.get_contact(self.context, id).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whoever has an identity that the write brings in stands in its way.
    async fn look_up(&self, intent: &Intent, prepared: &Prepared, held: Option<&Contact>) -> Result<Found> {
        let opened = self.opened;
        let identity = intent.new_identity(opened.spec.create_identity, held);
        let mut found = opened.adapter.find_contacts(self.context, &identity).await?;
        found.matches.retain(|other| Some(&other.contact.remote_id) != held.map(|held| &held.remote_id));
        if !found.matches.is_empty() {
            return Err(exists(opened, &found.matches));
        }
        if !found.complete && opened.spec.create_upserts {
            let detail = "The CRM's look-up did not show whether the contact exists already, and its create would overwrite one. Nothing was sent.";
            return Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail)
                .with_upstream(opened.spec.provider, None));
        }
        if let (Intent::Create(_), Some(_)) = (intent, &self.attempt) {
            found.matches = self.relatives(prepared).await;
        }
        Ok(found)
    }

    /// Whoever shares what the CRM does not tell people apart by: seen before a create under a key, so that a relative is
    /// not taken for what was created. Where they cannot be seen, a lost create is harder to tell and nothing worse.
    async fn relatives(&self, prepared: &Prepared) -> Vec<Match> {
        let shared = prepared.trail.identity.only(self.opened.spec.create_identity.other());
        let found = self.opened.adapter.find_contacts(self.context, &shared).await;
        found.map_or_else(|_| Vec::new(), |found| found.matches)
    }

    async fn prepare(
        &self,
        intent: &Intent,
        target: Option<&RemoteId>,
        held: Option<&Contact>,
    ) -> Result<Prepared> {
        let adapter = &self.opened.adapter;
        match (intent, held, target) {
            (Intent::Create(draft), _, _) => adapter.prepare_create(self.context, draft).await,
            (Intent::Update(_, patch), Some(held), _) => {
                adapter.prepare_update(self.context, held, patch).await
            }
            (Intent::Delete(_), _, Some(id)) => adapter.prepare_delete(self.context, id).await,
            _ => Err(Failure::internal("a change without a record")),
        }
    }

    /// A write that the CRM refused: its last word where it judged the content; where somebody stands in the way, with
    /// who that is.
    pub(super) async fn refused(&self, prepared: &Prepared, failure: Failure) -> Failure {
        let status = failure.upstream.and_then(|upstream| upstream.status);
        // What it said of the login or of a path in the settings is mended there, and is no word on the write.
        let of_the_write = matches!(
            failure.kind,
            FailureKind::UpstreamRejected
                | FailureKind::ContactExists
                | FailureKind::ContactNotFound
                | FailureKind::UpstreamError
        );
        let judged =
            of_the_write && status.is_some_and(|status| matches!(status, 200..=299 | 400 | 404 | 409 | 422));
        // Recorded under a key, it is what the key answers from now on.
        let failure =
            if judged { failure.with_effect(Effect::Final).with_retryable(Retryable::No) } else { failure };
        if failure.kind != FailureKind::ContactExists || !failure.candidates.is_empty() {
            return failure;
        }
        let opened = self.opened;
        let identity = prepared.trail.identity.clone().telling(opened.spec.create_identity);
        let found = opened.adapter.find_contacts(self.context, &identity).await;
        let mut others = found.map_or_else(|_| Vec::new(), |found| found.matches);
        others.retain(|other| Some(&other.contact.remote_id) != prepared.trail.remote_id.as_ref());
        failure.with_candidates(candidates(opened, &others))
    }
}
