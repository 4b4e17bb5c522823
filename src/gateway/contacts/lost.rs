//! A create whose answer was lost: found out in the request that sent it, or in a replay under its key.

use std::time::Duration;

use tokio::time::sleep;

use super::compare::{Finding, Verdict};
use super::intent::Intent;
use super::outcome::{ambiguous, outcome_open, outcome_unknown, sent_twice};
use super::settle::{LookupOutcome, completed, is_ours, look_up_lost};
use super::verify::verified;
use super::write::{SHORTEST_SEND, Standing, WriteOperation};
use super::{ContactView, UpsertOutcome, declared};
use crate::adapters::{LookupResult, Match, Prepared};
use crate::clock;
use crate::domain::{ContactDraft, Failure, FailureKind, RemoteId, Result, Warning};
use crate::gateway::idempotency::{Past, RecoveryContext};

/// How often a create is sent under one key: once more where it was proven absent.
const MOST_SENDS: i64 = 2;
/// What is left of the deadline when the last send begins, at least: where its outcome is lost too, only a person can find
/// it out.
const TIME_FOR_LAST_SEND: Duration = Duration::from_secs(2);

/// What became of a lost create.
enum Settled {
    Done(Box<ContactView>),
    Absent,
    /// With why it could not be looked for, where it could not.
    Unknown(Option<Failure>),
}

impl WriteOperation<'_> {
    /// A create whose answer was lost. Proven absent it is not sent again here: only a replay does that, whose caller
    /// asks for it.
    pub(super) async fn lost(
        &mut self,
        prepared: &Prepared,
        failure: &Failure,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let unknown = outcome_unknown(self.opened, prepared, failure);
        let Some(attempt) = &self.attempt else { return Err(unknown) };
        // A complete answer, or a time-out of our own, ends the time in which the create can still be applied.
        let over = failure.upstream.is_some_and(|upstream| upstream.status.is_some())
            || failure.kind == FailureKind::UpstreamTimeout;
        if let (true, Some(evidence)) = (over, attempt.evidence().cloned()) {
            self.keep(RecoveryContext { open_for: Duration::ZERO, ..evidence }).await?;
        }
        match self.settled(prepared, warnings).await? {
            Settled::Done(shown) => Ok(*shown),
            Settled::Absent => Err(self.not_yet_known(failure, None)),
            Settled::Unknown(unseen) => Err(self.not_yet_known(failure, unseen.as_ref())),
        }
    }

    /// What an earlier attempt under the same key has done; `None` where the write is to be carried out.
    pub(super) async fn resumed(&mut self, intent: &Intent) -> Result<Option<ContactView>> {
        self.refuse_if_moved().await?;
        let Some(attempt) = &self.attempt else { return Ok(None) };
        match attempt.past().clone() {
            Past::Nothing | Past::Sent => Ok(None),
            Past::Ambiguous { candidates } => Err(ambiguous(self.opened, candidates)),
            Past::Found { remote_id, warnings } => {
                let prepared = self.prepared(intent).await?;
                let contact = self.read(&prepared, remote_id).await?;
                Ok(Some(self.as_asked(self.as_read(contact, warnings).await)))
            }
            Past::Absent => self.once_more().map(|()| None),
            Past::Unknown => {
                let prepared = self.prepared(intent).await?;
                let warnings = [intent.declared(self.opened)?, prepared.losses.clone()].concat();
                match self.settled(&prepared, warnings).await? {
                    Settled::Done(shown) => Ok(Some(*shown)),
                    // The proof took most of the time: the next replay begins with the send.
                    Settled::Absent if self.context.remaining() < TIME_FOR_LAST_SEND => {
                        let lost = Failure::new(FailureKind::ContactNotFound, "");
                        Err(self.not_yet_known(&lost, None))
                    }
                    Settled::Absent => self.once_more().map(|()| None),
                    Settled::Unknown(unseen) => {
                        let lost = Failure::new(FailureKind::ContactNotFound, "");
                        Err(self.not_yet_known(&lost, unseen.as_ref()))
                    }
                }
            }
        }
    }

    /// Somebody stands in the way of the second send: where that is clearly what the first one made, applied after all,
    /// it is the answer.
    pub(super) async fn applied_late(
        &mut self,
        prepared: &Prepared,
        exists: Failure,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        // The key must not be free for another try while somebody like that is there.
        self.standing = Standing::Open;
        match exists.candidates.as_slice() {
            [only] => self.adopted(prepared, only.remote_id.clone(), warnings).await?.ok_or(exists),
            _ => Err(exists),
        }
    }

    /// The same for an upsert, which finds the contact by its own look-up.
    pub(super) async fn upserted_late(
        &self,
        draft: &ContactDraft,
        found: &[Match],
    ) -> Result<Option<ContactView>> {
        let (Some(_), [only]) = (self.earlier, found) else { return Ok(None) };
        let prepared = self.opened.adapter.prepare_create(self.context, draft).await?;
        let warnings = [declared::of_draft(self.opened.spec, draft)?, prepared.losses.clone()].concat();
        self.adopted(&prepared, only.contact.remote_id.clone(), warnings).await
    }

    /// The same for a create without what the CRM tells people apart by, so that nobody stands in its way. Relatives
    /// share the rest: it must be equal to the last member.
    pub(super) async fn applied_unnamed(
        &self,
        prepared: &Prepared,
        seen: &LookupResult,
        warnings: &[Warning],
    ) -> Result<Option<ContactView>> {
        let named = !prepared.locator.identity.only(self.opened.spec.create_identity).is_empty();
        if named || self.earlier.is_none() {
            return Ok(None);
        }
        let mut alike: Vec<&Match> = Vec::new();
        for found in &seen.matches {
            let row = found.contact.clone();
            let whole = completed(self.context, self.opened, prepared, row).await;
            let findings = verified(self.context, self.opened, prepared, None, whole).await.findings;
            let differs = |found: &Finding| found.is_wrong() || found.verdict == Verdict::Unseen;
            if !findings.iter().any(differs) {
                alike.push(found);
            }
        }
        match alike.as_slice() {
            [only] => self.adopted(prepared, only.contact.remote_id.clone(), warnings.to_vec()).await,
            _ => Ok(None),
        }
    }

    /// The contact of this id as the answer, where it is what the first send made.
    async fn adopted(
        &self,
        prepared: &Prepared,
        id: RemoteId,
        warnings: Vec<Warning>,
    ) -> Result<Option<ContactView>> {
        let Some(first) = self.earlier else { return Ok(None) };
        let contact = self.read(prepared, id).await?;
        if !is_ours(self.context, self.opened, prepared, &contact, first).await {
            return Ok(None);
        }
        Ok(Some(self.as_asked(self.created(prepared, contact, None, warnings).await?)))
    }

    /// A create that was proven absent may be sent again, once.
    fn once_more(&mut self) -> Result<()> {
        let Some(attempt) = self.attempt.as_ref().filter(|attempt| attempt.sends() < MOST_SENDS) else {
            self.standing = Standing::Open;
            return Err(sent_twice(self.opened));
        };
        self.earlier = Some(attempt.first_used());
        self.standing = Standing::Absent;
        Ok(())
    }

    /// The create that an earlier attempt sent.
    async fn prepared(&self, intent: &Intent) -> Result<Prepared> {
        let draft = intent.draft().ok_or_else(|| Failure::internal("a lost write that is no create"))?;
        self.opened.adapter.prepare_create(self.context, draft).await
    }

    fn as_asked(&self, created: ContactView) -> ContactView {
        ContactView { outcome: self.upserts.then_some(UpsertOutcome::Created), ..created }
    }

    /// Looks at once and, where that shows nobody, once more after the settle time, if the deadline allows it.
    async fn settled(&mut self, prepared: &Prepared, warnings: Vec<Warning>) -> Result<Settled> {
        let mut unseen = None;
        for again in [false, true] {
            let Some(evidence) = self.attempt.as_ref().and_then(|attempt| attempt.evidence()).cloned() else {
                return Err(Failure::internal("a lost create without evidence"));
            };
            let began = clock::monotonic();
            match look_up_lost(self.context, self.opened, prepared, &evidence).await {
                LookupOutcome::Ours(row) => {
                    // The row of a list may show less than a read by id.
                    let read = self.read(prepared, row.remote_id.clone()).await.unwrap_or(*row);
                    let shown = self.created(prepared, read, evidence.looked_at, warnings).await?;
                    return Ok(Settled::Done(Box::new(self.as_asked(shown))));
                }
                LookupOutcome::Others(candidates) => {
                    self.note(Past::Ambiguous { candidates: candidates.clone() }).await?;
                    return Err(ambiguous(self.opened, candidates));
                }
                LookupOutcome::Nobody => {
                    let Some(attempt) = &mut self.attempt else { break };
                    if despite_the_store(attempt.found_nobody(began).await)? == Some(true) {
                        return Ok(Settled::Absent);
                    }
                }
                LookupOutcome::Unclear(failure) => {
                    tracing::info!(
                        code = failure.kind.code(),
                        request_id = self.context.request_id.as_str(),
                        "a look for a lost create told nothing"
                    );
                    unseen = Some(failure);
                }
            }
            if again || self.context.remaining() < self.settle + 2 * SHORTEST_SEND {
                break;
            }
            sleep(self.settle).await;
        }
        Ok(Settled::Unknown(unseen))
    }

    /// The answer under a key while the outcome is open: the one way on is the same key, after a settle time.
    fn not_yet_known(&self, lost: &Failure, unseen: Option<&Failure>) -> Failure {
        outcome_open(self.opened, lost, unseen).with_retry_after(Some(self.settle))
    }

    async fn keep(&mut self, evidence: RecoveryContext) -> Result<()> {
        match &mut self.attempt {
            Some(attempt) => despite_the_store(attempt.update_evidence(evidence).await).map(|_| ()),
            None => Ok(()),
        }
    }

    async fn note(&mut self, past: Past) -> Result<()> {
        match &mut self.attempt {
            Some(attempt) => despite_the_store(attempt.note(past).await).map(|_| ()),
            None => Ok(()),
        }
    }
}

/// What was seen counts although it could not be noted: the row still says that the create is open, and a replay looks
/// again.
fn despite_the_store<T>(noted: Result<T>) -> Result<Option<T>> {
    match noted {
        Err(failure) if failure.kind == FailureKind::StoreUnavailable => Ok(None),
        noted => noted.map(Some),
    }
}
