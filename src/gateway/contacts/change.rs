//! Sends an update or a removal and judges it by what the CRM holds afterwards.

use super::compare::{Difference, Verdict, differences, is_verifiable};
use super::outcome::{changed, created_otherwise, did_not_apply, gone, not_verified, shown};
use super::write::{Course, SHORTEST_SEND};
use super::{Shown, incomplete};
use crate::adapters::{Applied, Prepared};
use crate::config::crash_point;
use crate::domain::{Contact, Effect, Failure, FailureKind, RemoteId, Result, Warning};

/// What the CRM said of a write, and the failure where its answer was lost.
struct Sent {
    applied: Applied,
    lost: Option<Failure>,
}

impl Course<'_> {
    /// A change is judged by what the CRM holds afterwards, also where its answer was lost; not as asked, it is then sent
    /// once more: the same values twice are the same record.
    pub(super) async fn update(
        &mut self,
        prepared: &Prepared,
        held: Option<Contact>,
        warnings: Vec<Warning>,
    ) -> Result<Shown> {
        let sent = self.send(prepared).await?;
        let was_lost = sent.lost.is_some();
        match self.updated(prepared, sent, held.clone(), warnings.clone()).await {
            Err(first) if was_lost && self.may_send_again(&first) => match self.send(prepared).await {
                // The first may have been applied: a second that did nothing says nothing of it.
                Err(second) if second.effect == Effect::None => Err(first),
                sent => self.updated(prepared, sent?, held, warnings).await,
            },
            outcome => outcome,
        }
    }

    fn may_send_again(&self, failure: &Failure) -> bool {
        failure.effect == Effect::Unknown && self.context.remaining() >= SHORTEST_SEND
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
        held: Option<Contact>,
        mut warnings: Vec<Warning>,
    ) -> Result<Shown> {
        let opened = self.opened;
        let Sent { applied, lost } = sent;
        let read = opened.adapter.read_back(self.context, prepared, &applied).await;
        crash_point("read_back");
        let contact = match read {
            Ok(contact) => contact,
            Err(failure) if failure.kind == FailureKind::ContactNotFound => {
                return Err(lost.unwrap_or_else(|| gone(opened)));
            }
            // The CRM confirmed the change: that it cannot be seen now must not read as if nothing had happened.
            Err(failure) => {
                let (None, Some(held)) = (lost.as_ref(), held) else { return Err(lost.unwrap_or(failure)) };
                warnings.push(not_verified("changed", &failure));
                return Ok(shown(opened, changed(held, &prepared.expected), warnings));
            }
        };
        let (unseen, wrong): (Vec<Difference>, Vec<Difference>) =
            differences(opened.spec, &prepared.expected, &contact)
                .into_iter()
                .partition(|difference| difference.verdict == Verdict::Unseen);
        if !wrong.is_empty() {
            return Err(lost.unwrap_or_else(|| did_not_apply(opened, &wrong)));
        }
        // Without the CRM's word only what was seen counts.
        if let Some(lost) =
            lost.filter(|_| !unseen.is_empty() || !is_verifiable(opened.spec, &prepared.expected))
        {
            return Err(lost);
        }
        warnings.extend(unseen.iter().map(created_otherwise));
        warnings.extend(incomplete([&contact]));
        Ok(shown(opened, contact, warnings))
    }

    /// A removal is confirmed by the CRM's word, unless it still shows the contact; where that word was lost, only by
    /// the contact being gone. Still there after a lost answer, it is sent once more.
    pub(super) async fn delete(&mut self, prepared: &Prepared) -> Result<Shown> {
        let sent = self.send(prepared).await?;
        let was_lost = sent.lost.is_some();
        match self.deleted(prepared, sent).await {
            Err(first) if was_lost && self.may_send_again(&first) => match self.send(prepared).await {
                // The first of the two has done it meanwhile.
                Err(second) if second.kind == FailureKind::ContactNotFound => Ok(self.removed(prepared)),
                Err(second) if second.effect == Effect::None => Err(first),
                sent => self.deleted(prepared, sent?).await,
            },
            outcome => outcome,
        }
    }

    async fn deleted(&self, prepared: &Prepared, sent: Sent) -> Result<Shown> {
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

    fn removed(&self, prepared: &Prepared) -> Shown {
        let id = prepared.trail.remote_id.clone().unwrap_or_else(|| RemoteId::from(""));
        shown(self.opened, Contact::bare(id), Vec::new())
    }
}
