//! Deletes a contact.

use super::errors::{unsent, view};
use super::operation::{WriteOperation, record_key};
use super::update::{self, SendResult};
use super::{ContactView, ids, if_match, recovery};
use crate::adapters::Prepared;
use crate::config::crash_point;
use crate::domain::{Contact, Effect, FailureKind, RemoteId, Result};

/// Deletes the contact `id`, which is the gateway's id or the CRM's.
pub(super) async fn delete(operation: &mut WriteOperation<'_>, id: &str) -> Result<ContactView> {
    operation.require(operation.opened.spec.operations.delete, "remove")?;
    let id = ids::open(&operation.opened.id, id)?;
    let _permit = operation.enter(record_key(&id)).await?;
    recovery::refuse_if_moved(operation).await?;
    match delete_entered(operation, &id).await {
        // An earlier request with this key has deleted it.
        Err(failure) if operation.sent_before && failure.kind == FailureKind::ContactNotFound => {
            Ok(removed(operation, &id))
        }
        outcome => outcome,
    }
}

async fn delete_entered(operation: &mut WriteOperation<'_>, id: &RemoteId) -> Result<ContactView> {
    let adapter = &operation.opened.adapter;
    // An earlier request may have deleted the contact, so it is read before another delete is sent.
    if operation.sent_before || operation.condition.is_some() {
        match adapter.get_contact(operation.context, id).await.map_err(unsent) {
            Ok(held) => if_match::unmet(operation, &held).await?.map_or(Ok(()), Err)?,
            Err(failure) if operation.condition.is_some() || failure.kind == FailureKind::ContactNotFound => {
                return Err(failure);
            }
            Err(_) => {}
        }
    }
    let prepared = adapter.prepare_delete(operation.context, id).await.map_err(unsent)?;
    if operation.is_dry_run {
        refuse_if_gone(operation, id).await?;
    }
    crash_point("looked_up");
    operation.refuse_if_late()?;
    send_delete(operation, &prepared, id).await
}

/// Fails with `contact_not_found` as the CRM would. A CRM that does not show single contacts cannot tell.
async fn refuse_if_gone(operation: &WriteOperation<'_>, id: &RemoteId) -> Result<()> {
    match operation.opened.adapter.get_contact(operation.context, id).await {
        Err(failure) if failure.kind == FailureKind::ContactNotFound => Err(failure),
        Err(_) | Ok(_) => Ok(()),
    }
}

/// A confirmed delete succeeds, unless the CRM still shows the contact. If the response was lost, it
/// succeeds only if the contact is gone. If the contact is still there, the delete is sent once more.
async fn send_delete(
    operation: &mut WriteOperation<'_>,
    prepared: &Prepared,
    id: &RemoteId,
) -> Result<ContactView> {
    let sent = update::send_once(operation, prepared, &[]).await?;
    let was_lost = sent.lost.is_some();
    match deleted(operation, prepared, id, sent).await {
        Err(first) if was_lost && update::may_send_again(operation, prepared, &first).await => {
            match update::send_once(operation, prepared, &[]).await {
                // The first delete has been applied in the meantime.
                Err(second) if second.kind == FailureKind::ContactNotFound => Ok(removed(operation, id)),
                Err(second) if second.effect == Effect::None => Err(first),
                sent => deleted(operation, prepared, id, sent?).await,
            }
        }
        outcome => outcome,
    }
}

async fn deleted(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    id: &RemoteId,
    sent: SendResult,
) -> Result<ContactView> {
    let SendResult { applied, lost } = sent;
    match (operation.opened.adapter.read_back(operation.context, prepared, &applied).await, lost) {
        (Err(failure), _) if failure.kind == FailureKind::ContactNotFound => Ok(removed(operation, id)),
        (_, Some(lost)) => Err(lost),
        (Err(_), None) => Ok(removed(operation, id)),
        (Ok(_), None) => {
            let detail = "The CRM confirmed the delete but still shows the contact.";
            let failure = operation.opened.failure(FailureKind::UpstreamDidNotApply, detail);
            Err(failure.with_effect(Effect::Final))
        }
    }
}

fn removed(operation: &WriteOperation<'_>, id: &RemoteId) -> ContactView {
    view(operation.opened, Contact::bare(id.clone()), Vec::new())
}
