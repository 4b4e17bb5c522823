//! Creates whose response was lost: searched for, judged and adopted; in the request that sent one, in a replay with its
//! key, and by the recovery worker. Nothing here sends.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::sleep;

use super::compare::{Finding, Verdict, shows_all};
use super::errors::{ambiguous, candidates, moved, outcome_open, outcome_unknown, sent_twice, unsent};
use super::operation::{SHORTEST_SEND, WriteOperation};
use super::verify::verified;
use super::{ContactView, declared};
use crate::adapters::{Applied, ContactIdentity, LookupResult, Match, Prepared, merge};
use crate::clock;
use crate::domain::{
    CallContext, Candidates, Contact, ContactDraft, Failure, FailureKind, RemoteId, Result, Timestamp,
    Warning,
};
use crate::gateway::credentials::ConnectedCredential;
use crate::gateway::writes::{Destination, InFlightWrite, RecoveryContext, ReplayStep, WriteState};

/// What is left of the deadline when the last send begins, at least: if its outcome is lost too, only a person can find it
/// out.
const TIME_FOR_LAST_SEND: Duration = Duration::from_secs(2);

/// What became of a lost create.
enum Recovered {
    Applied(Box<ContactView>),
    NotApplied,
    /// With why it could not be searched for, if it could not.
    Unknown(Option<Failure>),
}

impl WriteOperation<'_> {
    /// What an earlier request with the same key has done; `None` if the write is to be carried out. `declared` is what the
    /// CRM's declaration says of it.
    pub(super) async fn resume(
        &mut self,
        draft: &ContactDraft,
        declared: &[Warning],
    ) -> Result<Option<ContactView>> {
        self.refuse_if_moved().await?;
        let Some(write) = &self.in_flight else { return Ok(None) };
        let state = write.state().clone();
        match (state.next(write.sends()), state) {
            (ReplayStep::Return, WriteState::Applied { remote_id, warnings }) => {
                let prepared = self.opened.adapter.prepare_create(self.context, draft).await?;
                let contact = self.read(&prepared, remote_id).await?;
                Ok(Some(self.as_read(contact, warnings).await))
            }
            (ReplayStep::Refuse, WriteState::Ambiguous { candidates }) => {
                Err(ambiguous(self.opened, candidates))
            }
            (ReplayStep::Refuse, _) => Err(sent_twice(self.opened)),
            (ReplayStep::Recover, _) => self.recover_earlier(draft, declared).await,
            (ReplayStep::SendAgain, _) => Ok(self.send_again()),
            (ReplayStep::Send | ReplayStep::Return | ReplayStep::Replay, _) => Ok(None),
        }
    }

    /// A create that an earlier request sent: what it made, or `None` if it is to be sent again.
    async fn recover_earlier(
        &mut self,
        draft: &ContactDraft,
        declared: &[Warning],
    ) -> Result<Option<ContactView>> {
        let prepared = self.opened.adapter.prepare_create(self.context, draft).await?;
        let warnings = [declared, &prepared.losses].concat();
        let lost = Failure::new(FailureKind::ContactNotFound, "");
        match self.searched(&prepared, warnings).await? {
            Recovered::Applied(view) => Ok(Some(*view)),
            // The proof took most of the time: the next replay begins with the send.
            Recovered::NotApplied if self.context.remaining() < TIME_FOR_LAST_SEND => {
                Err(self.not_yet_known(&lost, None))
            }
            Recovered::NotApplied => match &self.in_flight {
                Some(write) if write.state().next(write.sends()) == ReplayStep::Refuse => {
                    Err(sent_twice(self.opened))
                }
                _ => Ok(self.send_again()),
            },
            Recovered::Unknown(unseen) => Err(self.not_yet_known(&lost, unseen.as_ref())),
        }
    }

    /// A create that was proven absent may be sent again; the contact may have been made since the key was first used.
    fn send_again(&mut self) -> Option<ContactView> {
        self.first_sent = self.in_flight.as_ref().map(InFlightWrite::first_used);
        None
    }

    /// The create that this request sent, whose response was lost. Proven absent it is not sent again here: only a replay
    /// does that, whose caller asks for it.
    pub(super) async fn recover(
        &mut self,
        prepared: &Prepared,
        failure: &Failure,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let Some(write) = &mut self.in_flight else {
            return Err(outcome_unknown(self.opened, prepared, failure));
        };
        // A complete response, or a timeout of our own, ends the time in which the create can still be applied.
        let is_over = failure.upstream.is_some_and(|upstream| upstream.status.is_some())
            || failure.kind == FailureKind::UpstreamTimeout;
        if let (true, Some(context)) = (is_over, write.state().recovery_context().cloned()) {
            despite_the_store(write.note(WriteState::Unknown(Box::new(context.closed()))).await)?;
        }
        match self.searched(prepared, warnings).await? {
            Recovered::Applied(view) => Ok(*view),
            Recovered::NotApplied => Err(self.not_yet_known(failure, None)),
            Recovered::Unknown(unseen) => Err(self.not_yet_known(failure, unseen.as_ref())),
        }
    }

    /// Searches at once and, if nobody is found, once more after the settle time, if the deadline allows it.
    async fn searched(&mut self, prepared: &Prepared, warnings: Vec<Warning>) -> Result<Recovered> {
        let mut unseen = None;
        for again in [false, true] {
            let Some(write) = &mut self.in_flight else { break };
            let Some(lost) = write.state().recovery_context().cloned() else { break };
            let began = clock::monotonic();
            match look_up_lost(self.context, self.opened, prepared, &lost).await {
                LookupOutcome::Ours(row) => {
                    // The row of a list may show less than a read by id.
                    let read = self.read(prepared, row.remote_id.clone()).await.unwrap_or(*row);
                    let view = self.created(prepared, read, lost.looked_at, warnings).await?;
                    return Ok(Recovered::Applied(Box::new(view)));
                }
                LookupOutcome::Others(candidates) => {
                    let state = WriteState::Ambiguous { candidates: candidates.clone() };
                    despite_the_store(write.note(state).await)?;
                    return Err(ambiguous(self.opened, candidates));
                }
                LookupOutcome::Nobody => {
                    if despite_the_store(write.found_nobody(began).await)? == Some(true) {
                        return Ok(Recovered::NotApplied);
                    }
                }
                LookupOutcome::Unclear(failure) => {
                    tracing::info!(
                        code = failure.kind.code(),
                        request_id = self.context.request_id.as_str(),
                        "a lookup for a lost create showed nothing"
                    );
                    unseen = Some(failure);
                }
            }
            if again || self.context.remaining() < self.settle + 2 * SHORTEST_SEND {
                break;
            }
            sleep(self.settle).await;
        }
        Ok(Recovered::Unknown(unseen))
    }

    /// The response under a key while the outcome is open: the one way on is the same key, after a settle time.
    fn not_yet_known(&self, lost: &Failure, unseen: Option<&Failure>) -> Failure {
        outcome_open(self.opened, lost, unseen).with_retry_after(Some(self.settle))
    }

    /// A contact is in the way of the second send: if that is clearly what the first one made, applied after all, it is
    /// returned.
    pub(super) async fn applied_late(
        &self,
        prepared: &Prepared,
        exists: Failure,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        match exists.candidates.as_slice() {
            [only] => self.adopt(prepared, only.remote_id.clone(), warnings).await?.ok_or(exists),
            _ => Err(exists),
        }
    }

    /// The same for an upsert, which finds the contact by its own lookup.
    pub(super) async fn upserted_late(
        &self,
        draft: &ContactDraft,
        found: &[Match],
    ) -> Result<Option<ContactView>> {
        let (Some(_), [only]) = (self.first_sent, found) else { return Ok(None) };
        let prepared = self.opened.adapter.prepare_create(self.context, draft).await?;
        let warnings = [declared::of_draft(self.opened.spec, draft)?, prepared.losses.clone()].concat();
        self.adopt(&prepared, only.contact.remote_id.clone(), warnings).await
    }

    /// The same for a create without what identifies people in the CRM, so that nobody is in its way. Relatives share the
    /// rest: it must be equal in every field.
    pub(super) async fn applied_unnamed(
        &self,
        prepared: &Prepared,
        seen: &LookupResult,
        warnings: &[Warning],
    ) -> Result<Option<ContactView>> {
        let named = !prepared.locator.identity.of_kind(self.opened.spec.create_identity()).is_empty();
        if named || self.first_sent.is_none() {
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
            [only] => self.adopt(prepared, only.contact.remote_id.clone(), warnings.to_vec()).await,
            _ => Ok(None),
        }
    }

    /// The contact of this id, if it is what the first send made.
    async fn adopt(
        &self,
        prepared: &Prepared,
        id: RemoteId,
        warnings: Vec<Warning>,
    ) -> Result<Option<ContactView>> {
        let Some(first_sent) = self.first_sent else { return Ok(None) };
        let contact = self.read(prepared, id).await?;
        if !is_ours(self.context, self.opened, prepared, &contact, first_sent).await {
            return Ok(None);
        }
        self.created(prepared, contact, None, warnings).await.map(Some)
    }

    /// A write that may have been sent to one account is neither searched for nor sent again at another.
    /// Fails with `outcome_ambiguous`, and as a probe does.
    pub(super) async fn refuse_if_moved(&self) -> Result<()> {
        // Rows of earlier releases do not say where they were sent.
        let Some(then) = self.in_flight.as_ref().and_then(|write| write.destination()) else {
            return Ok(());
        };
        if is_same_account(self.context, self.opened, then).await.map_err(unsent)? {
            return Ok(());
        }
        Err(moved(self.opened))
    }
}

/// What was seen counts although it could not be noted: the row still says that the create is open, and a replay searches
/// again.
fn despite_the_store<T>(noted: Result<T>) -> Result<Option<T>> {
    match noted {
        Err(failure) if failure.kind == FailureKind::StoreUnavailable => Ok(None),
        noted => noted.map(Some),
    }
}

/// How many seconds the CRM's clock may be behind ours when it says that a contact is new.
const CLOCKS_APART: i64 = 120;

/// What a lookup for a lost create showed.
pub(super) enum LookupOutcome {
    /// The contact that the create made.
    Ours(Box<Contact>),
    /// Nobody, and the lookup showed all contacts.
    Nobody,
    /// Somebody who is not clearly what was sent.
    Others(Candidates),
    /// The CRM could not be asked, or showed only a part.
    Unclear(Failure),
}

/// Searches for what `prepared` may have made, never by name: first by what identifies people in the CRM, then by the rest,
/// which relatives share.
pub(super) async fn look_up_lost(
    context: &CallContext,
    opened: &ConnectedCredential,
    prepared: &Prepared,
    lost: &RecoveryContext,
) -> LookupOutcome {
    let identity = &prepared.locator.identity;
    for by in opened.spec.identities {
        match look_up_by(context, opened, prepared, lost, &identity.of_kind(*by)).await {
            LookupOutcome::Nobody => {}
            seen => return seen,
        }
    }
    // Without any of them there is nothing to search by, and nobody seen proves nothing.
    if identity.is_empty() { LookupOutcome::Others(Candidates::new()) } else { LookupOutcome::Nobody }
}

async fn look_up_by(
    context: &CallContext,
    opened: &ConnectedCredential,
    prepared: &Prepared,
    lost: &RecoveryContext,
    identity: &ContactIdentity,
) -> LookupOutcome {
    let found = match opened.adapter.find_contacts(context, identity).await {
        Ok(found) => found,
        Err(failure) => return LookupOutcome::Unclear(failure),
    };
    let seen: HashSet<&RemoteId> = lost.seen.iter().collect();
    let new = |found: &Match| !seen.contains(&found.contact.remote_id);
    let mut left = found.matches;
    left.retain(|found| new(found) && counts(opened, lost, found));
    // A number that was sent without a country code may be held with one.
    let near = found.near.into_iter().filter(|near| new(near) && is_new(lost, &near.contact));
    left.extend(near);
    match <[Match; 1]>::try_from(left) {
        Ok([only]) => {
            let contact = completed(context, opened, prepared, only.contact.clone()).await;
            if is_ours(context, opened, prepared, &contact, lost.sent_at).await {
                LookupOutcome::Ours(Box::new(contact))
            } else {
                LookupOutcome::Others(candidates(opened, &[only], found.more))
            }
        }
        Err(none) if none.is_empty() && found.complete => LookupOutcome::Nobody,
        Err(none) if none.is_empty() => {
            let detail = "The CRM's lookup did not show all contacts.";
            LookupOutcome::Unclear(Failure::new(FailureKind::UpstreamInvalidResponse, detail))
        }
        Err(several) => LookupOutcome::Others(candidates(opened, &several, found.more)),
    }
}

/// Relatives share what a CRM does not tell people apart by: whoever is older than the send and was found by no more than
/// that has nothing to do with it, nor has whoever was seen before the send.
fn counts(opened: &ConnectedCredential, lost: &RecoveryContext, found: &Match) -> bool {
    let identifying = found.matched_by.contains(&opened.spec.create_identity());
    identifying || is_new(lost, &found.contact)
}

fn is_new(lost: &RecoveryContext, contact: &Contact) -> bool {
    contact.remote_created_at.is_none_or(|created| is_recent(created, lost.sent_at))
}

/// The row of a list, completed by a read by its id where it does not show everything that was sent.
pub(super) async fn completed(
    context: &CallContext,
    opened: &ConnectedCredential,
    prepared: &Prepared,
    row: Contact,
) -> Contact {
    if shows_all(opened.spec, &prepared.expected, &row) {
        return row;
    }
    let applied = Applied { remote_id: Some(row.remote_id.clone()), contact: None };
    match opened.adapter.read_back(context, prepared, &applied).await {
        Ok(read) => merge(row, read),
        Err(_) => row,
    }
}

/// Whether the contact is the one that was sent: it holds that, but for one field at most, and is new. A relative may
/// share the only phone. A field that nothing shows is no lost either way; without the time of the create all must be
/// seen.
pub(super) async fn is_ours(
    context: &CallContext,
    opened: &ConnectedCredential,
    prepared: &Prepared,
    contact: &Contact,
    sent_at: Timestamp,
) -> bool {
    let findings = verified(context, opened, prepared, None, contact.clone()).await.findings;
    let wrong = findings.iter().filter(|found| found.is_wrong()).count();
    let unseen = |found: &Finding| found.verdict == Verdict::Unseen;
    match contact.remote_created_at {
        Some(created) => wrong <= 1 && is_recent(created, sent_at),
        None => wrong == 0 && !findings.iter().any(unseen),
    }
}

fn is_recent(created: Timestamp, sent_at: Timestamp) -> bool {
    created.as_second() >= sent_at.as_second() - CLOCKS_APART
}

/// Whether `opened` leads to the account of `then`; the CRM is asked only if that may tell. Fails as a probe does.
pub(super) async fn is_same_account(
    context: &CallContext,
    opened: &ConnectedCredential,
    then: &Destination,
) -> Result<bool> {
    let same = match then.is_same(&opened.destination()) {
        None if then.account_id.is_some() => {
            opened.probe(context).await?;
            then.is_same(&opened.destination())
        }
        same => same,
    };
    Ok(same == Some(true))
}
