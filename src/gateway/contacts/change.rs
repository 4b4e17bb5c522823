//! Sends an update or a removal and judges it by what the CRM holds afterwards.

use super::ContactView;
use super::compare::{Finding, Verdict, is_verifiable};
use super::outcome::{gone, shown};
use super::verify::{unverified, verified};
use super::write::{SHORTEST_SEND, WriteOperation};
use crate::adapters::{Applied, Prepared};
use crate::config::crash_point;
use crate::domain::{Contact, Effect, Failure, FailureKind, RemoteId, Result, Warning};

/// What the CRM said of a write, and the failure where its answer was lost.
struct Sent {
    applied: Applied,
    lost: Option<Failure>,
}

impl WriteOperation<'_> {
    /// A change is judged by what the CRM holds afterwards, also where its answer was lost; not as asked, it is then sent
    /// once more: the same values twice are the same record.
    pub(super) async fn update(
        &mut self,
        prepared: &Prepared,
        held: &Contact,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let sent = self.send(prepared).await?;
        let was_lost = sent.lost.is_some();
        match self.updated(prepared, sent, held, warnings.clone()).await {
            Err(first) if was_lost && self.may_send_again(prepared, &first).await => {
                match self.send(prepared).await {
                    // The first may have been applied: a second that did nothing says nothing of it.
                    Err(second) if second.effect == Effect::None => Err(first),
                    sent => self.updated(prepared, sent?, held, warnings).await,
                }
            }
            outcome => outcome,
        }
    }

    async fn may_send_again(&self, prepared: &Prepared, failure: &Failure) -> bool {
        failure.effect == Effect::Unknown
            && self.context.remaining() >= SHORTEST_SEND
            && self.is_still_met(prepared).await
    }

    /// Sends; a refusal ends the write, a lost answer does not.
    async fn send(&mut self, prepared: &Prepared) -> Result<Sent> {
        let standing = self.standing;
        self.sending(None).await?;
        let sent = self.opened.adapter.send(self.context, prepared).await;
        crash_point("sent");
        match sent {
            Ok(applied) => Ok(Sent { applied, lost: None }),
            Err(failure) if failure.effect == Effect::None => {
                self.standing = standing;
                Err(self.refused(prepared, failure).await)
            }
            Err(failure) => {
                Ok(Sent { applied: Applied { remote_id: None, contact: None }, lost: Some(failure) })
            }
        }
    }

    async fn updated(
        &self,
        prepared: &Prepared,
        sent: Sent,
        held: &Contact,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let opened = self.opened;
        let Sent { applied, lost } = sent;
        let read = opened.adapter.read_back(self.context, prepared, &applied).await;
        crash_point("read_back");
        let contact = match (read, lost.as_ref()) {
            (Ok(contact), _) => contact,
            (Err(_), Some(lost)) => return Err(lost.clone()),
            (Err(failure), None) if failure.kind == FailureKind::ContactNotFound => return Err(gone(opened)),
            // The CRM confirmed the change: that it cannot be seen now must not read as if nothing had happened.
            (Err(failure), None) => {
                return Ok(unverified(opened, &held.remote_id, applied, "changed", &failure, warnings));
            }
        };
        let verified = verified(self.context, opened, prepared, Some(held), contact).await;
        // Without the CRM's word only what was seen counts.
        let is_open = |found: &Finding| found.is_wrong() || found.verdict == Verdict::Unseen;
        let open = verified.findings.iter().any(is_open) || !is_verifiable(opened.spec, &prepared.expected);
        match lost {
            Some(lost) if open => Err(lost),
            _ => {
                let (contact, warnings) = verified.concluded(opened, warnings)?;
                Ok(self.as_read(contact, warnings).await)
            }
        }
    }

    /// A removal is confirmed by the CRM's word, unless it still shows the contact; where that word was lost, only by
    /// the contact being gone. Still there after a lost answer, it is sent once more.
    pub(super) async fn delete(&mut self, prepared: &Prepared) -> Result<ContactView> {
        let sent = self.send(prepared).await?;
        let was_lost = sent.lost.is_some();
        match self.deleted(prepared, sent).await {
            Err(first) if was_lost && self.may_send_again(prepared, &first).await => {
                match self.send(prepared).await {
                    // The first of the two has done it meanwhile.
                    Err(second) if second.kind == FailureKind::ContactNotFound => Ok(self.removed(prepared)),
                    Err(second) if second.effect == Effect::None => Err(first),
                    sent => self.deleted(prepared, sent?).await,
                }
            }
            outcome => outcome,
        }
    }

    async fn deleted(&self, prepared: &Prepared, sent: Sent) -> Result<ContactView> {
        let Sent { applied, lost } = sent;
        match (self.opened.adapter.read_back(self.context, prepared, &applied).await, lost) {
            (Err(failure), _) if failure.kind == FailureKind::ContactNotFound => Ok(self.removed(prepared)),
            (_, Some(lost)) => Err(lost),
            (Err(_), None) => Ok(self.removed(prepared)),
            (Ok(_), None) => {
                let detail = "The CRM confirmed the removal and still shows the contact.";
                Err(Failure::new(FailureKind::UpstreamDidNotApply, detail)
                    .with_effect(Effect::Final)
                    .with_upstream(self.opened.spec.provider, None))
            }
        }
    }

    fn removed(&self, prepared: &Prepared) -> ContactView {
        let id = prepared.locator.remote_id.clone().unwrap_or_else(|| RemoteId::from(""));
        shown(self.opened, Contact::bare(id), Vec::new())
    }
}
