//! Sends a create and confirms it by what the CRM holds afterwards.

use super::ContactView;
use super::outcome::{outcome_unknown, updated_existing};
use super::settle::{LookupOutcome, look_up_lost};
use super::verify::{unverified, verified};
use super::write::WriteOperation;
use crate::adapters::{Applied, LookupResult, Prepared};
use crate::config::crash_point;
use crate::domain::{
    Contact, ContactDraft, Effect, Failure, FailureKind, RemoteId, Result, Timestamp, Warning,
};
use crate::gateway::idempotency::RecoveryContext;

impl WriteOperation<'_> {
    /// A create that the CRM confirmed is never answered with a failure: what cannot be verified is warned about. One
    /// whose answer was lost is looked for under a key, and named unknown without one.
    pub(super) async fn create(
        &mut self,
        draft: &ContactDraft,
        prepared: &Prepared,
        seen: &LookupResult,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let (sent_at, standing) = (crate::clock::now(), self.standing);
        let evidence = self.attempt.is_some().then(|| self.evidence(draft, seen, sent_at));
        self.sending(evidence).await?;
        let sent = self.opened.adapter.send(self.context, prepared).await;
        crash_point("sent");
        match sent {
            Ok(Applied { remote_id: Some(id), contact }) => {
                let applied = Applied { remote_id: Some(id.clone()), contact };
                self.confirmed(prepared, seen, &id, applied, warnings).await
            }
            Ok(_) => {
                let unnamed = Failure::new(FailureKind::UpstreamInvalidResponse, "");
                let unnamed = unnamed.with_upstream(self.opened.spec.provider, Some(200));
                if self.attempt.is_some() {
                    return self.lost(prepared, &unnamed, warnings).await;
                }
                let evidence = self.evidence(draft, seen, sent_at);
                self.unnamed(prepared, &evidence, &unnamed, warnings).await
            }
            Err(failure) if failure.effect == Effect::None => {
                self.standing = standing;
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
    fn evidence(&self, draft: &ContactDraft, seen: &LookupResult, sent_at: Timestamp) -> RecoveryContext {
        RecoveryContext {
            draft: draft.clone(),
            sent_at: self.earlier.unwrap_or(sent_at),
            // Until the answer comes: the deadline. The call may wait for its turn first, and then takes a part of what is left.
            open_for: self.context.remaining(),
            seen: seen
                .matches
                .iter()
                .chain(&seen.near)
                .map(|found| found.contact.remote_id.clone())
                .collect(),
            looked_at: seen.date,
            absent_lookup: None,
        }
    }

    async fn confirmed(
        &self,
        prepared: &Prepared,
        seen: &LookupResult,
        id: &RemoteId,
        applied: Applied,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let read = self.opened.adapter.read_back(self.context, prepared, &applied).await;
        crash_point("read_back");
        match read {
            Ok(contact) => self.created(prepared, contact, seen.date, warnings).await,
            Err(failure) => Ok(unverified(self.opened, id, applied, "created", &failure, warnings)),
        }
    }

    /// A create without a key, whose response says that it was applied and not to whom: one look shows the contact, or its
    /// outcome is unknown.
    async fn unnamed(
        &self,
        prepared: &Prepared,
        evidence: &RecoveryContext,
        failure: &Failure,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let unknown = outcome_unknown(self.opened, prepared, failure);
        match look_up_lost(self.context, self.opened, prepared, evidence).await {
            LookupOutcome::Ours(row) => {
                let read = self.read(prepared, row.remote_id.clone()).await.unwrap_or(*row);
                self.created(prepared, read, evidence.looked_at, warnings).await
            }
            LookupOutcome::Others(candidates) => Err(unknown.with_candidates(candidates)),
            LookupOutcome::Nobody | LookupOutcome::Unclear(_) => Err(unknown),
        }
    }

    /// What was made, with all that differs from what was sent.
    pub(super) async fn created(
        &self,
        prepared: &Prepared,
        contact: Contact,
        looked_at: Option<Timestamp>,
        mut warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        warnings.extend(updated_existing(self.opened, looked_at, &contact));
        let verified = verified(self.context, self.opened, prepared, None, contact).await;
        let (contact, warnings) = verified.concluded(self.opened, warnings)?;
        Ok(self.as_read(contact, warnings).await)
    }

    /// What was made, read in the way of a read-back: it knows what to do where single contacts cannot be read.
    pub(super) async fn read(&self, prepared: &Prepared, id: RemoteId) -> Result<Contact> {
        let applied = Applied { remote_id: Some(id), contact: None };
        self.opened.adapter.read_back(self.context, prepared, &applied).await
    }
}
