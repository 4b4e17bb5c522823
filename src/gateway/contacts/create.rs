//! Sends a create and finds out what became of it, whatever happens to its answer.

use std::time::Duration;

use tokio::time::sleep;

use super::compare::differences;
use super::intent::Intent;
use super::outcome::{
    ambiguous, created_otherwise, not_ours, not_verified, outcome_unknown, sent_twice, shown, unverified,
    updated_existing,
};
use super::settle::{Look, is_ours, look};
use super::write::{Course, SHORTEST_SEND};
use super::{Shown, UpsertOutcome, declared, incomplete};
use crate::adapters::{Applied, Found, Match, Prepared};
use crate::config::crash_point;
use crate::domain::{
    Contact, ContactDraft, Effect, Failure, FailureKind, RemoteId, Result, Retryable, Timestamp, Warning,
};
use crate::gateway::idempotency::{Evidence, Past};

/// How often a create is sent under one key: once more where it was proven absent.
const MOST_SENDS: i64 = 2;

impl Course<'_> {
    /// A create that the CRM confirmed is never answered with a failure: what cannot be verified is warned about. One
    /// whose answer was lost is looked for under a key, and named unknown without one.
    pub(super) async fn create(
        &mut self,
        draft: &ContactDraft,
        prepared: &Prepared,
        seen: &Found,
        warnings: Vec<Warning>,
    ) -> Result<Shown> {
        let sent_at = Timestamp::now();
        let evidence = self.attempt.is_some().then(|| self.evidence(draft, seen, sent_at));
        self.sending(evidence).await?;
        let sent = self.opened.adapter.send(self.context, prepared).await;
        crash_point("sent");
        match sent {
            Ok(applied) if applied.remote_id.is_some() || self.attempt.is_none() => {
                self.confirmed(prepared, seen, applied, warnings, sent_at).await
            }
            Ok(_) => {
                let unnamed = Failure::new(FailureKind::UpstreamInvalidResponse, "");
                self.lost(prepared, &unnamed.with_upstream(self.opened.spec.provider, Some(200)), warnings)
                    .await
            }
            Err(failure) if failure.effect == Effect::None => {
                self.clean = true;
                let failure = self.refused(prepared, failure).await;
                if failure.kind == FailureKind::ContactExists && self.earlier.is_some() {
                    return self.applied_late(prepared, failure, warnings).await;
                }
                if let (Some(_), Some(attempt), Effect::None) =
                    (self.earlier, &mut self.attempt, &failure.effect)
                {
                    attempt.unsent().await?;
                }
                Err(failure)
            }
            Err(failure) => self.lost(prepared, &failure, warnings).await,
        }
    }

    /// What is needed to look for the create later. The window begins at the first send, whatever came after it.
    fn evidence(&self, draft: &ContactDraft, seen: &Found, sent_at: Timestamp) -> Evidence {
        Evidence {
            draft: draft.clone(),
            strict: self.options.strict,
            sent_at: self.earlier.unwrap_or(sent_at),
            // Until the answer comes: the attempt's own time-out.
            settled_from: later(sent_at, self.context.remaining()),
            seen: seen.matches.iter().map(|found| found.contact.remote_id.clone()).collect(),
            absent_since: None,
            upserts: self.upserts,
        }
    }

    async fn confirmed(
        &self,
        prepared: &Prepared,
        seen: &Found,
        applied: Applied,
        mut warnings: Vec<Warning>,
        sent_at: Timestamp,
    ) -> Result<Shown> {
        let opened = self.opened;
        let read = opened.adapter.read_back(self.context, prepared, &applied).await;
        crash_point("read_back");
        match read {
            Ok(contact) if applied.remote_id.is_none() && !is_ours(opened, prepared, &contact, sent_at) => {
                Err(not_ours(opened, prepared, &contact))
            }
            Ok(contact) => {
                warnings.extend(updated_existing(opened, seen, &contact));
                Ok(self.created(prepared, contact, warnings))
            }
            Err(failure) => {
                let Some(contact) = unverified(&prepared.expected, applied) else {
                    return Err(outcome_unknown(opened, prepared, &failure));
                };
                warnings.push(not_verified("created", &failure));
                Ok(shown(opened, contact, warnings))
            }
        }
    }

    fn created(&self, prepared: &Prepared, contact: Contact, mut warnings: Vec<Warning>) -> Shown {
        let differences = differences(self.opened.spec, &prepared.expected, &contact);
        warnings.extend(differences.iter().map(created_otherwise));
        warnings.extend(incomplete([&contact]));
        shown(self.opened, contact, warnings)
    }

    /// A create whose answer was lost. Proven absent it is not sent again here: only a replay does that, whose caller
    /// asks for it.
    async fn lost(
        &mut self,
        prepared: &Prepared,
        failure: &Failure,
        warnings: Vec<Warning>,
    ) -> Result<Shown> {
        let unknown = outcome_unknown(self.opened, prepared, failure);
        let Some(attempt) = &mut self.attempt else { return Err(unknown) };
        // A complete answer, or a time-out of our own, ends the time in which the create can still be applied.
        let over = failure.upstream.is_some_and(|upstream| upstream.status.is_some())
            || failure.kind == FailureKind::UpstreamTimeout;
        if let (true, Some(evidence)) = (over, attempt.evidence().cloned()) {
            attempt.update_evidence(Evidence { settled_from: Timestamp::now(), ..evidence }).await?;
        }
        match self.settled(prepared, warnings).await? {
            Settled::Done(shown) => Ok(*shown),
            Settled::Absent | Settled::Unknown => Err(unknown.with_retryable(Retryable::SameKeyOnly)),
        }
    }

    /// What an earlier attempt under the same key has done; `None` where the write is to be carried out.
    pub(super) async fn resumed(&mut self, intent: &Intent) -> Result<Option<Shown>> {
        let Some(attempt) = &self.attempt else { return Ok(None) };
        let sends = attempt.sends();
        match attempt.past().clone() {
            Past::Nothing | Past::Sent => Ok(None),
            Past::Ambiguous { candidates } => Err(ambiguous(self.opened, candidates)),
            Past::Found { remote_id, warnings } => {
                let draft = intent.draft().ok_or_else(no_create)?;
                let prepared = self.opened.adapter.prepare_create(self.context, draft).await?;
                let contact = self.read(&prepared, &remote_id).await?;
                Ok(Some(self.as_asked(shown(self.opened, contact, warnings))))
            }
            Past::Absent if sends < MOST_SENDS => {
                self.earlier = Some(attempt.first_used());
                self.clean = true;
                Ok(None)
            }
            Past::Absent => Err(sent_twice(self.opened)),
            Past::Unknown => {
                let draft = intent.draft().ok_or_else(no_create)?;
                let prepared = self.opened.adapter.prepare_create(self.context, draft).await?;
                let warnings = [intent.declared(self.opened)?, prepared.losses.clone()].concat();
                match self.settled(&prepared, warnings).await? {
                    Settled::Done(shown) => Ok(Some(*shown)),
                    Settled::Absent if sends < MOST_SENDS => {
                        self.earlier = self.attempt.as_ref().map(|attempt| attempt.first_used());
                        self.clean = true;
                        Ok(None)
                    }
                    Settled::Absent => Err(sent_twice(self.opened)),
                    Settled::Unknown => {
                        let failure = Failure::new(FailureKind::ContactNotFound, "");
                        let unknown = outcome_unknown(self.opened, &prepared, &failure);
                        Err(unknown.with_retryable(Retryable::SameKeyOnly))
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
    ) -> Result<Shown> {
        // Not `clean` any more: the key must not be free for another try while somebody like that is there.
        self.clean = false;
        match exists.candidates.as_slice() {
            [only] => self.adopted(prepared, &only.remote_id, warnings).await?.ok_or(exists),
            _ => Err(exists),
        }
    }

    /// The same for an upsert, which finds the contact by its own look-up.
    pub(super) async fn upserted_late(&self, draft: &ContactDraft, found: &[Match]) -> Result<Option<Shown>> {
        let (Some(_), [only]) = (self.earlier, found) else { return Ok(None) };
        let prepared = self.opened.adapter.prepare_create(self.context, draft).await?;
        let warnings = [declared::of_draft(self.opened.spec, draft)?, prepared.losses.clone()].concat();
        self.adopted(&prepared, &only.contact.remote_id, warnings).await
    }

    /// The same for a create without what the CRM tells people apart by, so that nobody stands in its way. Relatives
    /// share the rest: it must be equal to the last member.
    pub(super) async fn applied_unnamed(
        &self,
        prepared: &Prepared,
        seen: &Found,
        warnings: &[Warning],
    ) -> Result<Option<Shown>> {
        let spec = self.opened.spec;
        let named = !prepared.trail.identity.only(spec.create_identity).is_empty();
        let equal = |found: &&Match| differences(spec, &prepared.expected, &found.contact).is_empty();
        let alike: Vec<&Match> = seen.matches.iter().filter(equal).collect();
        match (self.earlier, alike.as_slice()) {
            (Some(_), [only]) if !named => {
                self.adopted(prepared, &only.contact.remote_id, warnings.to_vec()).await
            }
            _ => Ok(None),
        }
    }

    /// The contact of this id as the answer, where it is what the first send made.
    async fn adopted(
        &self,
        prepared: &Prepared,
        id: &RemoteId,
        warnings: Vec<Warning>,
    ) -> Result<Option<Shown>> {
        let Some(first) = self.earlier else { return Ok(None) };
        let contact = self.read(prepared, id).await?;
        let ours = is_ours(self.opened, prepared, &contact, first);
        Ok(ours.then(|| self.as_asked(self.created(prepared, contact, warnings))))
    }

    /// The contact of this id, also where the CRM has no way to read one by its id.
    async fn read(&self, prepared: &Prepared, id: &RemoteId) -> Result<Contact> {
        let applied = Applied { remote_id: Some(id.clone()), contact: None };
        self.opened.adapter.read_back(self.context, prepared, &applied).await
    }

    fn as_asked(&self, created: Shown) -> Shown {
        Shown { outcome: self.upserts.then_some(UpsertOutcome::Created), ..created }
    }

    /// Looks at once and, where that shows nobody, once more after the settle time, if the deadline allows it.
    async fn settled(&mut self, prepared: &Prepared, warnings: Vec<Warning>) -> Result<Settled> {
        for again in [false, true] {
            let Some(evidence) = self.attempt.as_ref().and_then(|attempt| attempt.evidence()).cloned() else {
                return Err(Failure::internal("a lost create without evidence"));
            };
            let looked = look(self.context, self.opened, prepared, &evidence).await;
            match self.judged(prepared, looked, evidence, &warnings).await? {
                Settled::Unknown if again => break,
                Settled::Unknown => {}
                settled => return Ok(settled),
            }
            if self.context.remaining() < self.settle + 2 * SHORTEST_SEND {
                break;
            }
            sleep(self.settle).await;
        }
        Ok(Settled::Unknown)
    }

    async fn judged(
        &mut self,
        prepared: &Prepared,
        looked: Look,
        evidence: Evidence,
        warnings: &[Warning],
    ) -> Result<Settled> {
        let (opened, context, settle) = (self.opened, self.context, self.settle);
        let Some(attempt) = &mut self.attempt else { return Ok(Settled::Unknown) };
        match looked {
            Look::Ours(row) => {
                // The row of a list may show less than a read by id.
                let read = opened.adapter.get_contact(context, &row.remote_id).await;
                let shown = self.created(prepared, read.unwrap_or(*row), warnings.to_vec());
                Ok(Settled::Done(Box::new(self.as_asked(shown))))
            }
            Look::Others(candidates) => {
                attempt.note(Past::Ambiguous { candidates: candidates.clone() }).await?;
                Err(ambiguous(opened, candidates))
            }
            Look::Nobody => match absent(&evidence, settle) {
                Absent::Proven => {
                    attempt.note(Past::Absent).await?;
                    Ok(Settled::Absent)
                }
                Absent::Since(first) => {
                    attempt.update_evidence(Evidence { absent_since: Some(first), ..evidence }).await?;
                    Ok(Settled::Unknown)
                }
            },
            Look::Unclear(failure) => {
                tracing::info!(code = failure.kind.code(), "a look for a lost create told nothing");
                Ok(Settled::Unknown)
            }
        }
    }
}

fn no_create() -> Failure {
    Failure::internal("a lost write that is no create")
}

/// What became of a lost create.
enum Settled {
    Done(Box<Shown>),
    Absent,
    Unknown,
}

/// What it means that a look showed nobody.
pub(super) enum Absent {
    /// Nobody twice, a settle time apart, the last time after the create could still be applied.
    Proven,
    /// Nobody since then; too early to be sure.
    Since(Timestamp),
}

pub(super) fn absent(evidence: &Evidence, settle: Duration) -> Absent {
    let now = Timestamp::now();
    let first = evidence.absent_since.unwrap_or(now);
    let twice = evidence.absent_since.is_some() && now >= later(first, settle);
    if twice && now >= evidence.settled_from { Absent::Proven } else { Absent::Since(first) }
}

fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}
