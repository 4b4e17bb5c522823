//! The steps of a write that only read or refuse.

use super::intent::Intent;
use super::outcome::{candidates, exists};
use super::write::{Course, SHORTEST_SEND};
use crate::adapters::{Found, Match, Prepared};
use crate::domain::{
    Contact, Effect, Failure, FailureKind, FieldFault, RemoteId, Result, Retryable, Warning, WarningCode,
};

impl Course<'_> {
    /// A write that cannot be answered in time is not sent: its outcome would be unknown for nothing.
    pub(super) fn refuse_if_late(&self) -> Result<()> {
        if self.context.remaining() >= SHORTEST_SEND {
            return Ok(());
        }
        let detail = "The time for this request was used up before the write was sent; nothing was written. Try again with more time.";
        Err(Failure::new(FailureKind::GatewayTimeout, detail))
    }

    /// With `strict=true` nothing is sent that could not be stored to the letter.
    pub(super) fn refuse_if_strict(&self, warnings: &[Warning]) -> Result<()> {
        let lost =
            |warning: &&Warning| matches!(warning.code, WarningCode::NotStored | WarningCode::PhoneNotParsed);
        let fault = |warning: &Warning| {
            FieldFault::member(warning.pointer.clone(), warning.code.as_str(), warning.message.clone())
        };
        let faults: Vec<FieldFault> = warnings.iter().filter(lost).map(fault).collect();
        if !self.options.strict || faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// The record that a change is made to, as the CRM holds it now.
    pub(super) async fn held(&self, intent: &Intent, target: Option<&RemoteId>) -> Result<Option<Contact>> {
        match (intent, target) {
            (Intent::Update(..), Some(id)) => {
                self.opened.adapter.get_contact(self.context, id).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whoever has an identity that the write brings in stands in its way.
    pub(super) async fn look_up(
        &self,
        intent: &Intent,
        prepared: &Prepared,
        held: Option<&Contact>,
    ) -> Result<Found> {
        let opened = self.opened;
        let identity = intent.new_identity(opened.spec.create_identity, held);
        let mut found = opened.adapter.find_contacts(self.context, &identity).await?;
        found.matches.retain(|other| Some(&other.contact.remote_id) != held.map(|held| &held.remote_id));
        if !found.matches.is_empty() {
            return Err(exists(opened, &found.matches));
        }
        if !found.complete && opened.spec.create_upserts {
            let detail = "The CRM's look-up did not show whether the contact exists already, and its create would overwrite one. Nothing was sent.";
            return Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail)
                .with_upstream(opened.spec.provider, None));
        }
        if let (Intent::Create(_), Some(_)) = (intent, &self.attempt) {
            found.matches = self.relatives(prepared).await;
        }
        Ok(found)
    }

    /// Whoever shares what the CRM does not tell people apart by: seen before a create under a key, so that a relative is
    /// not taken for what was created. Where they cannot be seen, a lost create is harder to tell and nothing worse.
    async fn relatives(&self, prepared: &Prepared) -> Vec<Match> {
        let shared = prepared.trail.identity.only(self.opened.spec.create_identity.other());
        let found = self.opened.adapter.find_contacts(self.context, &shared).await;
        found.map_or_else(|_| Vec::new(), |found| found.matches)
    }

    pub(super) async fn prepare(
        &self,
        intent: &Intent,
        target: Option<&RemoteId>,
        held: Option<&Contact>,
    ) -> Result<Prepared> {
        let adapter = &self.opened.adapter;
        match (intent, held, target) {
            (Intent::Create(draft), _, _) => adapter.prepare_create(self.context, draft).await,
            (Intent::Update(_, patch), Some(held), _) => {
                adapter.prepare_update(self.context, held, patch).await
            }
            (Intent::Delete(_), _, Some(id)) => adapter.prepare_delete(self.context, id).await,
            _ => Err(Failure::internal("a change without a record")),
        }
    }

    /// A write that the CRM refused: its last word where it judged the content; where somebody stands in the way, with
    /// who that is.
    pub(super) async fn refused(&self, prepared: &Prepared, failure: Failure) -> Failure {
        let status = failure.upstream.and_then(|upstream| upstream.status);
        // What it said of the login or of a path in the settings is mended there, and is no word on the write.
        let of_the_write = matches!(
            failure.kind,
            FailureKind::UpstreamRejected
                | FailureKind::ContactExists
                | FailureKind::ContactNotFound
                | FailureKind::UpstreamError
        );
        let judged =
            of_the_write && status.is_some_and(|status| matches!(status, 200..=299 | 400 | 404 | 409 | 422));
        // Recorded under a key, it is what the key answers from now on.
        let failure =
            if judged { failure.with_effect(Effect::Final).with_retryable(Retryable::No) } else { failure };
        if failure.kind != FailureKind::ContactExists || !failure.candidates.is_empty() {
            return failure;
        }
        let opened = self.opened;
        let identity = prepared.trail.identity.clone().telling(opened.spec.create_identity);
        let found = opened.adapter.find_contacts(self.context, &identity).await;
        let mut others = found.map_or_else(|_| Vec::new(), |found| found.matches);
        others.retain(|other| Some(&other.contact.remote_id) != prepared.trail.remote_id.as_ref());
        failure.with_candidates(candidates(opened, &others))
    }
}
