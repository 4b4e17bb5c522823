//! Deletes a contact.

use super::errors::{unsent, view};
use super::operation::{WriteOperation, record_key};
use super::update::Sent;
use super::{ContactView, ids};
use crate::adapters::Prepared;
use crate::config::crash_point;
use crate::domain::{Contact, Effect, FailureKind, RemoteId, Result};

impl WriteOperation<'_> {
    /// Deletes the contact `id`, which is the gateway's id or the CRM's.
    pub(super) async fn delete(&mut self, id: &str) -> Result<ContactView> {
        self.require(self.opened.spec.operations.delete, "remove")?;
        let id = ids::open(&self.opened.id, id)?;
        let _permit = self.enter(record_key(&id)).await?;
        self.refuse_if_moved().await?;
        match self.delete_entered(&id).await {
            // An earlier request with this key has deleted it.
            Err(failure) if self.sent_before && failure.kind == FailureKind::ContactNotFound => {
                Ok(self.removed(&id))
            }
            outcome => outcome,
        }
    }

    async fn delete_entered(&mut self, id: &RemoteId) -> Result<ContactView> {
        let adapter = &self.opened.adapter;
        // An earlier request may have deleted the contact, so it is read before another delete is sent.
        if self.sent_before || self.condition.is_some() {
            match adapter.get_contact(self.context, id).await.map_err(unsent) {
                Ok(held) => self.unmet(&held).await?.map_or(Ok(()), Err)?,
                Err(failure) if self.condition.is_some() || failure.kind == FailureKind::ContactNotFound => {
                    return Err(failure);
                }
                Err(_) => {}
            }
        }
        let prepared = adapter.prepare_delete(self.context, id).await.map_err(unsent)?;
        if self.is_dry_run {
            self.refuse_if_gone(id).await?;
        }
        crash_point("looked_up");
        self.refuse_if_late()?;
        self.send_delete(&prepared, id).await
    }

    /// Fails with `contact_not_found` as the CRM would. A CRM that does not show single contacts cannot tell.
    async fn refuse_if_gone(&self, id: &RemoteId) -> Result<()> {
        match self.opened.adapter.get_contact(self.context, id).await {
            Err(failure) if failure.kind == FailureKind::ContactNotFound => Err(failure),
            Err(_) | Ok(_) => Ok(()),
        }
    }

    /// A confirmed delete succeeds, unless the CRM still shows the contact. If the response was lost, it
    /// succeeds only if the contact is gone. If the contact is still there, the delete is sent once more.
    async fn send_delete(&mut self, prepared: &Prepared, id: &RemoteId) -> Result<ContactView> {
        let sent = self.send_once(prepared, &[]).await?;
        let was_lost = sent.lost.is_some();
        match self.deleted(prepared, id, sent).await {
            Err(first) if was_lost && self.may_send_again(prepared, &first).await => {
                match self.send_once(prepared, &[]).await {
                    // The first delete has been applied in the meantime.
                    Err(second) if second.kind == FailureKind::ContactNotFound => Ok(self.removed(id)),
                    Err(second) if second.effect == Effect::None => Err(first),
                    sent => self.deleted(prepared, id, sent?).await,
                }
            }
            outcome => outcome,
        }
    }

    async fn deleted(&self, prepared: &Prepared, id: &RemoteId, sent: Sent) -> Result<ContactView> {
        let Sent { applied, lost } = sent;
        match (self.opened.adapter.read_back(self.context, prepared, &applied).await, lost) {
            (Err(failure), _) if failure.kind == FailureKind::ContactNotFound => Ok(self.removed(id)),
            (_, Some(lost)) => Err(lost),
            (Err(_), None) => Ok(self.removed(id)),
            (Ok(_), None) => {
                let detail = "The CRM confirmed the delete but still shows the contact.";
                let failure = self.opened.failure(FailureKind::UpstreamDidNotApply, detail);
                Err(failure.with_effect(Effect::Final))
            }
        }
    }

    fn removed(&self, id: &RemoteId) -> ContactView {
        view(self.opened, Contact::bare(id.clone()), Vec::new())
    }
}
