//! Sends a create and confirms it by what the CRM holds afterwards.

use super::compare::differences;
use super::outcome::{
    created_otherwise, not_ours, not_verified, outcome_unknown, shown, unverified, updated_existing,
};
use super::settle::{is_ours, later};
use super::write::Course;
use super::{Shown, incomplete};
use crate::adapters::{Applied, Found, Prepared};
use crate::config::crash_point;
use crate::domain::{
    Contact, ContactDraft, Effect, Failure, FailureKind, RemoteId, Result, Timestamp, Warning,
};
use crate::gateway::idempotency::Evidence;

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
        let (sent_at, standing) = (Timestamp::now(), self.standing);
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
                let unnamed = unnamed.with_upstream(self.opened.spec.provider, Some(200));
                self.lost(prepared, &unnamed, warnings).await
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
    fn evidence(&self, draft: &ContactDraft, seen: &Found, sent_at: Timestamp) -> Evidence {
        Evidence {
            draft: draft.clone(),
            sent_at: self.earlier.unwrap_or(sent_at),
            // Until the answer comes: the deadline. The call may wait for its turn first, and then takes a part of what is left.
            settled_from: later(sent_at, self.context.remaining()),
            seen: seen.matches.iter().map(|found| found.contact.remote_id.clone()).collect(),
            looked_at: seen.date,
            absent_since: None,
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
            Ok(contact) => Ok(self.created(prepared, contact, seen.date, warnings)),
            Err(failure) => {
                let Some(contact) = unverified(&prepared.expected, applied) else {
                    return Err(outcome_unknown(opened, prepared, &failure));
                };
                warnings.push(not_verified("created", &failure));
                Ok(shown(opened, contact, warnings))
            }
        }
    }

    /// What was made, with all that differs from what was sent.
    pub(super) fn created(
        &self,
        prepared: &Prepared,
        contact: Contact,
        looked_at: Option<Timestamp>,
        mut warnings: Vec<Warning>,
    ) -> Shown {
        warnings.extend(updated_existing(self.opened, looked_at, &contact));
        let differences = differences(self.opened.spec, &prepared.expected, &contact);
        warnings.extend(differences.iter().map(created_otherwise));
        warnings.extend(incomplete([&contact]));
        shown(self.opened, contact, warnings)
    }

    /// What was made, read in the way of a read-back: it knows what to do where single contacts cannot be read.
    pub(super) async fn read(&self, prepared: &Prepared, id: RemoteId) -> Result<Contact> {
        let applied = Applied { remote_id: Some(id), contact: None };
        self.opened.adapter.read_back(self.context, prepared, &applied).await
    }
}
