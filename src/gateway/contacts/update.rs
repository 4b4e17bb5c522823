//! Updates a contact: reads it, sends the change, and verifies the contact after it.

use std::collections::{BTreeSet, HashSet};

use super::compare::{Finding, Verdict, is_verifiable};
use super::errors::{gone, unsent};
use super::operation::{SHORTEST_SEND, WriteOperation, record_key};
use super::verify::unverified;
use super::{ContactView, declared, ids, if_match, incomplete, new_values, partial_reads, recovery};
use crate::adapters::{Applied, ContactIdentity, IdentityKey, IdentityKind, IdentitySource, Prepared};
use crate::blocking;
use crate::config::crash_point;
use crate::domain::bounds::{EMAILS_MOST, PHONES_MOST};
use crate::domain::{Contact, ContactPatch, Effect, Failure, FailureKind, RemoteId, Result, Warning};

/// The CRM's response to a write, and the failure if the response was lost.
pub(super) struct SendResult {
    pub(super) applied: Applied,
    pub(super) lost: Option<Failure>,
}

/// Applies `patch` to the contact `id`, which is the gateway's id or the CRM's.
pub(super) async fn update(
    operation: &mut WriteOperation<'_>,
    id: &str,
    patch: ContactPatch,
) -> Result<ContactView> {
    operation.require(operation.opened.spec.operations.update, "change")?;
    let id = ids::open(&operation.opened.id, id)?;
    let warnings = declared::of_patch(operation.opened.spec, &patch);
    operation.refuse_if_strict(&warnings)?;
    let mut keys = brought_in_keys(operation, &patch, &[]);
    keys.extend(record_key(&id));
    let _permit = operation.enter(keys).await?;
    recovery::refuse_if_moved(operation).await?;
    update_entered(operation, &id, patch, warnings).await
}

/// The lock keys of the identities that `patch` adds.
pub(super) fn brought_in_keys(
    operation: &WriteOperation<'_>,
    patch: &ContactPatch,
    match_on: &[IdentityKind],
) -> BTreeSet<String> {
    /// A list longer than the limit for new lists adds nothing: only a held list may be that long.
    fn new<T>(list: &[T], most: usize) -> &[T] {
        if list.len() <= most { list } else { &[] }
    }
    let all = IdentitySource::from(patch);
    let (emails, phones) = (new(all.emails, EMAILS_MOST), new(all.phones, PHONES_MOST));
    operation.identity_keys(IdentitySource { emails, phones, ..all }, match_on)
}

/// The update after its locks are taken, from the last reads to the returned contact. Also used by an
/// upsert with one match.
pub(super) async fn update_entered(
    operation: &mut WriteOperation<'_>,
    id: &RemoteId,
    patch: ContactPatch,
    mut warnings: Vec<Warning>,
) -> Result<ContactView> {
    let opened = operation.opened;
    let held = opened.adapter.get_contact(operation.context, id).await.map_err(unsent)?;
    let held = partial_reads::with_replaced_fields(operation, held, &patch).await.map_err(unsent)?;
    let unmet = if_match::unmet(operation, &held).await?;
    // An earlier request with this key may have changed the contact.
    if let Some(changed) = unmet.as_ref().filter(|_| !operation.sent_before) {
        return Err(changed.clone());
    }
    let patch = partial_reads::without_parts(operation, patch, &held, &mut warnings).await?;
    let declared = blocking::within(operation.context, held.size(), || {
        new_values::check(opened.spec, &patch, &held)?;
        Ok(declared::of_change(opened.spec, &ids::make(&opened.id, &held.remote_id), &held, &patch))
    });
    warnings.extend(declared.await??);
    operation.refuse_if_strict(&warnings)?;
    let prepared = opened.adapter.prepare_update(operation.context, &held, &patch).await.map_err(unsent)?;
    warnings.extend(prepared.losses.iter().cloned());
    operation.refuse_if_strict(&warnings)?;
    if prepared.is_noop {
        warnings.extend(incomplete(&held));
        return Ok(operation.as_read(held, warnings).await);
    }
    if_match::refuse_unless_applied(operation, &prepared, &held, unmet).await?;
    // The last of the reads, so that another writer has little time to interfere.
    let identity = new_identity(operation, &patch, &held);
    let seen = operation.refuse_if_taken(&identity, Some(&held.remote_id)).await.map_err(unsent)?;
    crash_point("looked_up");
    operation.refuse_if_late()?;
    warnings.extend(operation.duplicates(&seen.near));
    send_update(operation, &prepared, &held, warnings).await
}

/// The identity that the contact would get by `patch` and does not have yet.
fn new_identity(operation: &WriteOperation<'_>, patch: &ContactPatch, held: &Contact) -> ContactIdentity {
    let (kind, region) = (operation.opened.spec.create_identity(), operation.opened.adapter.region());
    let mut identity = ContactIdentity::of(&[kind], patch);
    let held: HashSet<IdentityKey> = kind.values(held).iter().map(|held| kind.key(region, held)).collect();
    identity.0.retain(|new| !held.contains(&kind.key(region, &new.value)));
    identity
}

/// Verifies a change by a read, also if its response was lost. If a lost change was not applied, it is sent
/// once more: repeating an update gives the same record.
async fn send_update(
    operation: &mut WriteOperation<'_>,
    prepared: &Prepared,
    held: &Contact,
    warnings: Vec<Warning>,
) -> Result<ContactView> {
    let sent = send_once(operation, prepared, &warnings).await?;
    let was_lost = sent.lost.is_some();
    match updated(operation, prepared, sent, held, warnings.clone()).await {
        Err(first) if was_lost && may_send_again(operation, prepared, &first).await => {
            match send_once(operation, prepared, &warnings).await {
                // The first send may have been applied. The failure of the second one says nothing about
                // it.
                Err(second) if second.effect == Effect::None => Err(first),
                sent => updated(operation, prepared, sent?, held, warnings).await,
            }
        }
        outcome => outcome,
    }
}

/// Sends an update or a delete. Fails if the CRM refuses it, but not if the response was lost.
pub(super) async fn send_once(
    operation: &mut WriteOperation<'_>,
    prepared: &Prepared,
    warnings: &[Warning],
) -> Result<SendResult> {
    let (before, sent) = operation.send(prepared, None, warnings).await?;
    match sent {
        Ok(applied) => Ok(SendResult { applied, lost: None }),
        Err(failure) if failure.effect == Effect::None => {
            Err(operation.refused(prepared, before, failure).await?)
        }
        Err(failure) => {
            Ok(SendResult { applied: Applied { remote_id: None, contact: None }, lost: Some(failure) })
        }
    }
}

/// Whether an update or a delete whose response was lost may be sent once more in the same request.
pub(super) async fn may_send_again(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    failure: &Failure,
) -> bool {
    failure.effect == Effect::Unknown
        && operation.context.remaining() >= SHORTEST_SEND
        && if_match::is_still_met(operation, prepared).await
}

async fn updated(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    sent: SendResult,
    held: &Contact,
    warnings: Vec<Warning>,
) -> Result<ContactView> {
    let opened = operation.opened;
    let SendResult { applied, lost } = sent;
    let read = opened.adapter.read_back(operation.context, prepared, &applied).await;
    crash_point("read_back");
    let contact = match (read, lost.as_ref()) {
        (Ok(contact), _) => contact,
        (Err(_), Some(lost)) => return Err(lost.clone()),
        (Err(failure), None) if failure.kind == FailureKind::ContactNotFound => return Err(gone(opened)),
        // The CRM confirmed the change, so a failed read must not look like a failed write.
        (Err(failure), None) => {
            return Ok(unverified(opened, &held.remote_id, applied, "changed", &failure, warnings));
        }
    };
    let verified = operation.sent_write(prepared).verified(Some(held), contact).await;
    // Without a confirmation, only what was read counts.
    let is_open = |found: &Finding| found.is_wrong() || found.verdict == Verdict::Unseen;
    let open = verified.findings.iter().any(is_open) || !is_verifiable(opened.spec, &prepared.expected);
    match lost {
        Some(lost) if open => Err(lost),
        _ => {
            let (contact, warnings) = verified.concluded(opened, warnings)?;
            Ok(operation.as_read(contact, warnings).await)
        }
    }
}
