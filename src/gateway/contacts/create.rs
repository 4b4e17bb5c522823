//! Creates a contact: looks for duplicates before the send, and verifies the contact after it.

use std::collections::{BTreeSet, HashSet};

use super::errors::{outcome_unknown, unsent};
use super::operation::WriteOperation;
use super::recovery::{self, LookupOutcome};
use super::verify::unverified;
use super::{ContactView, declared};
use crate::adapters::{Applied, ContactIdentity, LookupResult, Match, Prepared};
use crate::config::crash_point;
use crate::domain::{ContactDraft, Effect, Failure, FailureKind, RemoteId, Result, Warning, words};
use crate::gateway::writes::RecoveryContext;

pub(super) async fn create(operation: &mut WriteOperation<'_>, draft: ContactDraft) -> Result<ContactView> {
    operation.require(operation.opened.spec.operations.create, "create")?;
    let warnings = declared::of_draft(operation.opened.spec, &draft)?;
    operation.refuse_if_strict(&warnings)?;
    let _permit = operation.enter(keys_of(operation, &draft)).await?;
    // Recovers an earlier request with the same key before anything new is done.
    if let Some(done) = recovery::resume(operation, &draft, &warnings).await? {
        return Ok(done);
    }
    create_entered(operation, &draft, warnings, false).await
}

fn keys_of(operation: &WriteOperation<'_>, draft: &ContactDraft) -> BTreeSet<String> {
    operation.identity_keys(draft.into(), &[])
}

/// The create after its locks are taken, from the last reads to the returned contact. Also used by an
/// upsert without a match.
pub(super) async fn create_entered(
    operation: &mut WriteOperation<'_>,
    draft: &ContactDraft,
    mut warnings: Vec<Warning>,
    upserts: bool,
) -> Result<ContactView> {
    let opened = operation.opened;
    let prepared = opened.adapter.prepare_create(operation.context, draft).await.map_err(unsent)?;
    warnings.extend(prepared.losses.iter().cloned());
    operation.refuse_if_strict(&warnings)?;
    // The last of the reads, so that another writer has little time to interfere.
    let identity = ContactIdentity::of(&[opened.spec.create_identity()], draft);
    let mut seen = match operation.refuse_if_taken(&identity, None).await.map_err(unsent) {
        Err(failure) if failure.kind == FailureKind::ContactExists && operation.created_after.is_some() => {
            return recovery::applied_late(operation, &prepared, failure, warnings).await;
        }
        seen => seen?,
    };
    // If an upsert finds no contact by the identifying value, it also searches by the others: the contact
    // may have lost that value.
    if operation.in_flight.is_some() || upserts {
        add_non_identifying_matches(operation, draft, &prepared, &mut seen).await;
    }
    crash_point("looked_up");
    if let Some(done) =
        recovery::applied_late_without_identity(operation, &prepared, &seen, &warnings).await?
    {
        return Ok(done);
    }
    operation.refuse_if_late()?;
    let namesakes = seen.matches.iter().filter(|found| has_name_of(draft, found));
    warnings.extend(operation.duplicates(namesakes.chain(&seen.near)));
    send_create(operation, draft, &prepared, &seen, warnings).await
}

/// A create that the CRM confirmed never fails: differences are warnings. If its response was lost, the
/// create is searched for if there is a key. Without a key its outcome is unknown.
async fn send_create(
    operation: &mut WriteOperation<'_>,
    draft: &ContactDraft,
    prepared: &Prepared,
    seen: &LookupResult,
    warnings: Vec<Warning>,
) -> Result<ContactView> {
    let context = recovery_context(operation, draft, seen);
    let has_key = operation.in_flight.is_some();
    let (before, sent) = operation.send(prepared, has_key.then(|| context.clone()), &warnings).await?;
    match sent {
        Ok(Applied { remote_id: Some(id), contact }) => {
            let applied = Applied { remote_id: Some(id.clone()), contact };
            confirm_create(operation, prepared, seen, &id, applied, warnings).await
        }
        // It was applied, but the response does not name the contact.
        Ok(_) => {
            let without_id = Failure::new(FailureKind::UpstreamInvalidResponse, "");
            let without_id = without_id.with_upstream(operation.opened.spec.provider, Some(200));
            if has_key {
                return recovery::recover(operation, prepared, &without_id, warnings).await;
            }
            find_created(operation, prepared, &context, &without_id, warnings).await
        }
        Err(failure) if failure.effect == Effect::None => {
            let failure = operation.refused(prepared, before, failure).await?;
            if failure.kind == FailureKind::ContactExists && operation.created_after.is_some() {
                return recovery::applied_late(operation, prepared, failure, warnings).await;
            }
            Err(failure)
        }
        Err(failure) => recovery::recover(operation, prepared, &failure, warnings).await,
    }
}

/// The context to search for the create later. Its time window starts now; for a second send, at the first use of the key.
fn recovery_context(
    operation: &WriteOperation<'_>,
    draft: &ContactDraft,
    seen: &LookupResult,
) -> RecoveryContext {
    let sent_at = operation.created_after.unwrap_or_else(crate::clock::now);
    let ids = seen.matches.iter().chain(&seen.near).map(|found| found.contact.remote_id.clone());
    // Ends at the deadline, unless a response comes earlier. The call may first wait for the rate limit.
    RecoveryContext::new(draft.clone(), sent_at, operation.context.remaining(), ids.collect(), seen.date)
}

async fn confirm_create(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    seen: &LookupResult,
    id: &RemoteId,
    applied: Applied,
    warnings: Vec<Warning>,
) -> Result<ContactView> {
    let read = operation.opened.adapter.read_back(operation.context, prepared, &applied).await;
    crash_point("read_back");
    match read {
        Ok(contact) => operation.as_created(prepared, contact, seen.date, warnings).await,
        Err(failure) => Ok(unverified(operation.opened, id, applied, "created", &failure, warnings)),
    }
}

/// Without a key, after a 2xx that names no contact: one lookup. After a lost response the outcome is unknown at once.
async fn find_created(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    context: &RecoveryContext,
    failure: &Failure,
    warnings: Vec<Warning>,
) -> Result<ContactView> {
    let unknown = outcome_unknown(operation.opened, prepared, failure);
    let sent = operation.sent_write(prepared);
    match recovery::look_up(sent, context).await {
        LookupOutcome::Ours(row) => {
            let read = sent.read(row.remote_id.clone()).await.unwrap_or(*row);
            operation.as_created(prepared, read, context.looked_at, warnings).await
        }
        LookupOutcome::Others(candidates) => Err(unknown.with_candidates(candidates)),
        LookupOutcome::NotFound | LookupOutcome::Unclear(_) => Err(unknown),
    }
}

/// Adds contacts that share a non-identifying value, such as a household's phone number. A relative seen
/// before the send is not taken for the created contact. If this lookup fails, a lost create is harder to
/// recognise, and nothing else is affected.
async fn add_non_identifying_matches(
    operation: &WriteOperation<'_>,
    draft: &ContactDraft,
    prepared: &Prepared,
    seen: &mut LookupResult,
) {
    let shared = prepared.locator.identity.without_kind(operation.opened.spec.create_identity());
    let Ok(found) = operation.opened.adapter.find_contacts(operation.context, &shared).await else { return };
    let known: HashSet<RemoteId> = seen.near.iter().map(|known| known.contact.remote_id.clone()).collect();
    let new = |near: &Match| !known.contains(&near.contact.remote_id) && has_name_of(draft, near);
    seen.near.extend(found.near.into_iter().filter(new));
    seen.matches.extend(found.matches);
}

/// Whether the found contact has the same name. CRMs differ in which part is the first name.
fn has_name_of(draft: &ContactDraft, found: &Match) -> bool {
    let held = [&found.contact.first_name, &found.contact.last_name].into_iter().flatten();
    let sent = draft.first_name.iter().chain([&draft.last_name]);
    words(sent).map(str::to_lowercase).eq(words(held).map(str::to_lowercase))
}
