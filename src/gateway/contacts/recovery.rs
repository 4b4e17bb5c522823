//! Recovers creates whose response was lost: searches for the contact and adopts it. Used by the request that
//! sent the create, by a replay with its key, and by the recovery worker. Never sends.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::sleep;

use super::compare::{Finding, Verdict, shows_all};
use super::errors::{ambiguous, candidates, moved, outcome_open, outcome_unknown, sent_twice, unsent};
use super::operation::{SHORTEST_SEND, WriteOperation};
use super::verify::SentWrite;
use super::{ContactView, declared};
use crate::adapters::{ContactIdentity, LookupResult, Match, Prepared, merge};
use crate::clock;
use crate::domain::{
    CallContext, Candidates, Contact, ContactDraft, Failure, FailureKind, RemoteId, Result, Timestamp,
    Warning,
};
use crate::gateway::credentials::ConnectedCredential;
use crate::gateway::writes::{Destination, InFlightWrite, RecoveryContext, ReplayStep, WriteState};

/// The time that must be left for the last send. If its outcome is lost too, it cannot be recovered
/// automatically.
const TIME_FOR_LAST_SEND: Duration = Duration::from_secs(2);

/// The outcome of a lost create.
enum Recovered {
    Applied(Box<ContactView>),
    NotApplied,
    /// The reason, if the lookup failed.
    Unknown(Option<Box<Failure>>),
}

/// Returns the result of an earlier request with the same key; `None` if the write must be carried out.
/// `declared` are the warnings of the CRM's declaration.
pub(super) async fn resume(
    operation: &mut WriteOperation<'_>,
    draft: &ContactDraft,
    declared: &[Warning],
) -> Result<Option<ContactView>> {
    refuse_if_moved(operation).await?;
    let Some(write) = &operation.in_flight else { return Ok(None) };
    let state = write.state().clone();
    match (state.next(write.sends()), state) {
        (ReplayStep::Return, WriteState::Applied { remote_id, warnings }) => {
            let prepared = operation.opened.adapter.prepare_create(operation.context, draft).await?;
            let contact = operation.sent_write(&prepared).read(remote_id).await?;
            Ok(Some(operation.as_read(contact, warnings).await))
        }
        (ReplayStep::Refuse, WriteState::Ambiguous { candidates }) => {
            Err(ambiguous(operation.opened, candidates))
        }
        (ReplayStep::Refuse, _) => Err(sent_twice(operation.opened)),
        (ReplayStep::Recover, _) => recover_earlier(operation, draft, declared).await,
        (ReplayStep::SendAgain, _) => {
            allow_second_send(operation);
            Ok(None)
        }
        (ReplayStep::Send, _) => Ok(None),
        (ReplayStep::Return | ReplayStep::Replay, _) => {
            Err(Failure::internal("a write with a recorded outcome was started again"))
        }
    }
}

/// Recovers a create that an earlier request sent. Returns the contact, or `None` if the create must be
/// sent again.
async fn recover_earlier(
    operation: &mut WriteOperation<'_>,
    draft: &ContactDraft,
    declared: &[Warning],
) -> Result<Option<ContactView>> {
    let prepared = operation.opened.adapter.prepare_create(operation.context, draft).await?;
    let warnings = [declared, &prepared.losses].concat();
    let lost = Failure::new(FailureKind::ContactNotFound, "");
    match searched(operation, &prepared, warnings).await? {
        Recovered::Applied(view) => Ok(Some(*view)),
        // The lookups used most of the time. The next replay starts with the send.
        Recovered::NotApplied if operation.context.remaining() < TIME_FOR_LAST_SEND => {
            Err(not_yet_known(operation, &lost, None))
        }
        Recovered::NotApplied => match &operation.in_flight {
            Some(write) if write.state().next(write.sends()) == ReplayStep::Refuse => {
                Err(sent_twice(operation.opened))
            }
            _ => {
                allow_second_send(operation);
                Ok(None)
            }
        },
        Recovered::Unknown(unseen) => Err(not_yet_known(operation, &lost, unseen.as_deref())),
    }
}

/// A create that was proven absent may be sent again. The window for the contact's age starts at the first
/// use of the key.
fn allow_second_send(operation: &mut WriteOperation<'_>) {
    operation.created_after = operation.in_flight.as_ref().map(InFlightWrite::first_used);
}

/// Recovers a create of this request whose response was lost. If it is proven absent, only a replay sends
/// it again.
pub(super) async fn recover(
    operation: &mut WriteOperation<'_>,
    prepared: &Prepared,
    failure: &Failure,
    warnings: Vec<Warning>,
) -> Result<ContactView> {
    let Some(write) = &mut operation.in_flight else {
        return Err(outcome_unknown(operation.opened, prepared, failure));
    };
    // After a complete response or our own timeout, the create can no longer be applied.
    let is_over = failure.upstream.is_some_and(|upstream| upstream.status.is_some())
        || failure.kind == FailureKind::UpstreamTimeout;
    if let (true, Some(context)) = (is_over, write.state().recovery_context().cloned()) {
        ignoring_store_outage(write.note(WriteState::Unknown(Box::new(context.closed()))).await)?;
    }
    match searched(operation, prepared, warnings).await? {
        Recovered::Applied(view) => Ok(*view),
        Recovered::NotApplied => Err(not_yet_known(operation, failure, None)),
        Recovered::Unknown(unseen) => Err(not_yet_known(operation, failure, unseen.as_deref())),
    }
}

/// Searches now, and again after the settle time if no contact was found and the deadline allows it.
async fn searched(
    operation: &mut WriteOperation<'_>,
    prepared: &Prepared,
    warnings: Vec<Warning>,
) -> Result<Recovered> {
    let sent = operation.sent_write(prepared);
    let mut unseen = None;
    for again in [false, true] {
        let Some(write) = &mut operation.in_flight else { break };
        let Some(lost) = write.state().recovery_context().cloned() else { break };
        let began = clock::monotonic();
        match look_up(sent, &lost).await {
            LookupOutcome::Ours(row) => {
                // The row of a list may show less than a read by id.
                let read = sent.read(row.remote_id.clone()).await.unwrap_or(*row);
                let view = operation.as_created(prepared, read, lost.looked_at, warnings).await?;
                return Ok(Recovered::Applied(Box::new(view)));
            }
            LookupOutcome::Others(candidates) => {
                let state = WriteState::Ambiguous { candidates: candidates.clone() };
                ignoring_store_outage(write.note(state).await)?;
                return Err(ambiguous(operation.opened, candidates));
            }
            LookupOutcome::NotFound => {
                if ignoring_store_outage(write.found_nobody(began).await)? == Some(true) {
                    return Ok(Recovered::NotApplied);
                }
            }
            LookupOutcome::Unclear(failure) => {
                tracing::info!(
                    code = failure.kind.code(),
                    request_id = operation.context.request_id.as_str(),
                    "a lookup for a lost create was inconclusive"
                );
                unseen = Some(failure);
            }
        }
        if again || operation.context.remaining() < operation.settle + 2 * SHORTEST_SEND {
            break;
        }
        sleep(operation.settle).await;
    }
    Ok(Recovered::Unknown(unseen.map(Box::new)))
}

/// The failure for a write with a key whose outcome is open. The caller must retry with the same key after
/// the settle time.
fn not_yet_known(operation: &WriteOperation<'_>, lost: &Failure, unseen: Option<&Failure>) -> Failure {
    outcome_open(operation.opened, lost, unseen).with_retry_after(Some(operation.settle))
}

/// The second send failed because a contact exists. Returns that contact if the first send clearly created
/// it.
pub(super) async fn applied_late(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    exists: Failure,
    warnings: Vec<Warning>,
) -> Result<ContactView> {
    match exists.candidates.as_slice() {
        [only] => adopt(operation, prepared, only.remote_id.clone(), warnings).await?.ok_or(exists),
        _ => Err(exists),
    }
}

/// The same for an upsert, which finds the contact by its own lookup.
pub(super) async fn upserted_late(
    operation: &WriteOperation<'_>,
    draft: &ContactDraft,
    found: &[Match],
) -> Result<Option<ContactView>> {
    let (Some(_), [only]) = (operation.created_after, found) else { return Ok(None) };
    let prepared = operation.opened.adapter.prepare_create(operation.context, draft).await?;
    let warnings = [declared::of_draft(operation.opened.spec, draft)?, prepared.losses.clone()].concat();
    adopt(operation, &prepared, only.contact.remote_id.clone(), warnings).await
}

/// The same for a create without an identifying value, which no contact conflicts with. Relatives share the
/// other values, so the contact must be equal in every field.
pub(super) async fn applied_late_without_identity(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    seen: &LookupResult,
    warnings: &[Warning],
) -> Result<Option<ContactView>> {
    let has_identity = !prepared.locator.identity.of_kind(operation.opened.spec.create_identity()).is_empty();
    if has_identity || operation.created_after.is_none() {
        return Ok(None);
    }
    let sent = operation.sent_write(prepared);
    let mut alike = Vec::new();
    for found in &seen.matches {
        let whole = completed(sent, found.contact.clone()).await;
        let findings = sent.verified(None, whole).await.findings;
        let differs = |found: &Finding| found.is_wrong() || found.verdict == Verdict::Unseen;
        if !findings.iter().any(differs) {
            alike.push(found);
        }
    }
    match alike.as_slice() {
        [only] => adopt(operation, prepared, only.contact.remote_id.clone(), warnings.to_vec()).await,
        _ => Ok(None),
    }
}

/// Returns the contact with this id if the first send created it.
async fn adopt(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    id: RemoteId,
    warnings: Vec<Warning>,
) -> Result<Option<ContactView>> {
    let Some(created_after) = operation.created_after else { return Ok(None) };
    let sent = operation.sent_write(prepared);
    let contact = sent.read(id).await?;
    if !has_created(sent, &contact, created_after).await {
        return Ok(None);
    }
    operation.as_created(prepared, contact, None, warnings).await.map(Some)
}

/// Fails with `outcome_ambiguous` if the write may have been sent to another account: it is not searched
/// for or sent again here. Also fails as a probe does.
pub(super) async fn refuse_if_moved(operation: &WriteOperation<'_>) -> Result<()> {
    // Rows of earlier releases do not store the destination.
    let Some(then) = operation.in_flight.as_ref().and_then(|write| write.destination()) else {
        return Ok(());
    };
    if is_same_account(operation.context, operation.opened, then).await.map_err(unsent)? {
        return Ok(());
    }
    Err(moved(operation.opened))
}

/// Ignores an outage of the store. The result is still valid: the stored row says that the create is open, and
/// a replay searches again.
fn ignoring_store_outage<T>(noted: Result<T>) -> Result<Option<T>> {
    match noted {
        Err(failure) if failure.kind == FailureKind::StoreUnavailable => Ok(None),
        noted => noted.map(Some),
    }
}

/// How many seconds the CRM's clock may be behind ours.
const CLOCK_SKEW_SECONDS: i64 = 120;

/// The outcome of a lookup for a lost create.
pub(super) enum LookupOutcome {
    /// The contact that the create made.
    Ours(Box<Contact>),
    /// No contact, and the lookup showed all contacts.
    NotFound,
    /// Contacts that were not clearly created by it.
    Others(Candidates),
    /// The lookup failed or was incomplete.
    Unclear(Failure),
}

/// Searches for the contact that the create may have made, never by name. Searches first by the value that
/// identifies contacts, then by the values that relatives share.
pub(super) async fn look_up(sent: SentWrite<'_>, lost: &RecoveryContext) -> LookupOutcome {
    let identity = &sent.prepared.locator.identity;
    for by in sent.opened.spec.identities {
        match look_up_by(sent, lost, &identity.of_kind(*by)).await {
            LookupOutcome::NotFound => {}
            seen => return seen,
        }
    }
    // Without any identity there is nothing to search by, so an empty result proves nothing.
    if identity.is_empty() { LookupOutcome::Others(Candidates::new()) } else { LookupOutcome::NotFound }
}

async fn look_up_by(
    sent: SentWrite<'_>,
    lost: &RecoveryContext,
    identity: &ContactIdentity,
) -> LookupOutcome {
    let opened = sent.opened;
    let found = match opened.adapter.find_contacts(sent.context, identity).await {
        Ok(found) => found,
        Err(failure) => return LookupOutcome::Unclear(failure),
    };
    let seen: HashSet<&RemoteId> = lost.seen.iter().collect();
    let appeared = |found: &Match| !seen.contains(&found.contact.remote_id);
    let mut left = found.matches;
    left.retain(|found| appeared(found) && may_be_created(opened, lost, found));
    // The CRM may have added a country code to a number.
    let near = found.near.into_iter().filter(|near| appeared(near) && may_be_recent(lost, &near.contact));
    left.extend(near);
    match <[Match; 1]>::try_from(left) {
        Ok([only]) => {
            let contact = completed(sent, only.contact.clone()).await;
            if has_created(sent, &contact, lost.sent_at).await {
                LookupOutcome::Ours(Box::new(contact))
            } else {
                LookupOutcome::Others(candidates(opened, &[only], found.more))
            }
        }
        Err(none) if none.is_empty() && found.complete => LookupOutcome::NotFound,
        Err(none) if none.is_empty() => {
            let detail = "The CRM's lookup did not show all contacts.";
            LookupOutcome::Unclear(Failure::new(FailureKind::UpstreamInvalidResponse, detail))
        }
        Err(several) => LookupOutcome::Others(candidates(opened, &several, found.more)),
    }
}

/// The row of a list, completed by a read by id if it does not show everything that was sent.
async fn completed(sent: SentWrite<'_>, row: Contact) -> Contact {
    if shows_all(sent.opened.spec, &sent.prepared.expected, &row) {
        return row;
    }
    match sent.read(row.remote_id.clone()).await {
        Ok(read) => merge(row, read),
        Err(_) => row,
    }
}

/// Whether the write created the contact: it is recent, and at most one value or entry of a list differs. A
/// relative may share the only phone. Without a creation time, all fields must be seen and equal.
async fn has_created(sent: SentWrite<'_>, contact: &Contact, sent_at: Timestamp) -> bool {
    let findings = sent.verified(None, contact.clone()).await.findings;
    let wrong = findings.iter().filter(|found| found.is_wrong()).count();
    let unseen = |found: &Finding| found.verdict == Verdict::Unseen;
    match contact.remote_created_at {
        Some(created) => wrong <= 1 && is_recent(created, sent_at),
        None => wrong == 0 && !findings.iter().any(unseen),
    }
}

/// Whether a match may be the created contact. Relatives share non-identifying values: a contact that is older
/// than the send and was found only by such a value is ignored.
fn may_be_created(opened: &ConnectedCredential, lost: &RecoveryContext, found: &Match) -> bool {
    let identifying = found.matched_by.contains(&opened.spec.create_identity());
    identifying || may_be_recent(lost, &found.contact)
}

fn may_be_recent(lost: &RecoveryContext, contact: &Contact) -> bool {
    contact.remote_created_at.is_none_or(|created| is_recent(created, lost.sent_at))
}

fn is_recent(created: Timestamp, sent_at: Timestamp) -> bool {
    created.as_second() >= sent_at.as_second() - CLOCK_SKEW_SECONDS
}

/// Whether `opened` leads to the account of `then`. Calls the CRM only if that can decide it. Fails as a probe
/// does.
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
