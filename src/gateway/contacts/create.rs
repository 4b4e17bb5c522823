//! Creates a contact: searched for before the send, confirmed by what the CRM holds after it.

use std::collections::{BTreeSet, HashSet};

use super::errors::{outcome_unknown, unsent, updated_existing};
use super::operation::WriteOperation;
use super::recovery::{LookupOutcome, look_up_lost};
use super::verify::{unverified, verified};
use super::{ContactView, declared};
use crate::adapters::{Applied, ContactIdentity, LookupResult, Match, Prepared};
use crate::config::crash_point;
use crate::domain::{
    Contact, ContactDraft, Effect, Failure, FailureKind, RemoteId, Result, Timestamp, Warning, words,
};
use crate::gateway::writes::RecoveryContext;

impl WriteOperation<'_> {
    /// Creates the contact of `draft`.
    pub(super) async fn create(&mut self, draft: ContactDraft) -> Result<ContactView> {
        self.require(self.opened.spec.operations.create, "create")?;
        let warnings = declared::of_draft(self.opened.spec, &draft)?;
        self.refuse_if_strict(&warnings)?;
        let _permit = self.enter(self.keys_of(&draft)).await?;
        // What an earlier request with the same key has done comes before anything new.
        if let Some(done) = self.resume(&draft, &warnings).await? {
            return Ok(done);
        }
        self.create_entered(&draft, warnings, false).await
    }

    fn keys_of(&self, draft: &ContactDraft) -> BTreeSet<String> {
        self.identity_keys(draft.into(), &[])
    }

    /// The create with its locks held, from the last reads to the contact that is returned; also of an upsert that matched
    /// nobody.
    pub(super) async fn create_entered(
        &mut self,
        draft: &ContactDraft,
        mut warnings: Vec<Warning>,
        upserts: bool,
    ) -> Result<ContactView> {
        let opened = self.opened;
        let prepared = opened.adapter.prepare_create(self.context, draft).await.map_err(unsent)?;
        warnings.extend(prepared.losses.iter().cloned());
        self.refuse_if_strict(&warnings)?;
        // Last of all reads, so that the time in which another writer can slip in is short.
        let identity = ContactIdentity::of(&[opened.spec.create_identity()], draft);
        let mut seen = match self.refuse_if_taken(&identity, None).await.map_err(unsent) {
            Err(failure) if failure.kind == FailureKind::ContactExists && self.first_sent.is_some() => {
                return self.applied_late(&prepared, failure, warnings).await;
            }
            seen => seen?,
        };
        // An upsert that finds nobody by the identity asks by the rest as well: the contact may have lost its identity.
        if self.in_flight.is_some() || upserts {
            self.add_non_identifying_matches(draft, &prepared, &mut seen).await;
        }
        crash_point("looked_up");
        if let Some(done) = self.applied_unnamed(&prepared, &seen, &warnings).await? {
            return Ok(done);
        }
        self.refuse_if_late()?;
        let named = seen.matches.iter().filter(|found| has_name_of(draft, found));
        warnings.extend(self.duplicates(named.chain(&seen.near)));
        self.send_create(draft, &prepared, &seen, warnings).await
    }

    /// A create that the CRM confirmed never fails: what cannot be verified is warned about. If its response was lost, it is
    /// searched for under a key, and its outcome is unknown without one.
    async fn send_create(
        &mut self,
        draft: &ContactDraft,
        prepared: &Prepared,
        seen: &LookupResult,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let context = self.recovery_context(draft, seen);
        let has_key = self.in_flight.is_some();
        let before = self.sending(has_key.then(|| context.clone())).await?;
        let sent = self.opened.adapter.send(self.context, prepared).await;
        crash_point("sent");
        match sent {
            Ok(Applied { remote_id: Some(id), contact }) => {
                let applied = Applied { remote_id: Some(id.clone()), contact };
                self.confirm_create(prepared, seen, &id, applied, warnings).await
            }
            // It was applied, and the response does not say which contact it made.
            Ok(_) => {
                let unnamed = Failure::new(FailureKind::UpstreamInvalidResponse, "");
                let unnamed = unnamed.with_upstream(self.opened.spec.provider, Some(200));
                if has_key {
                    return self.recover(prepared, &unnamed, warnings).await;
                }
                self.find_unnamed(prepared, &context, &unnamed, warnings).await
            }
            Err(failure) if failure.effect == Effect::None => {
                let failure = self.refused(prepared, before, failure).await?;
                if failure.kind == FailureKind::ContactExists && self.first_sent.is_some() {
                    return self.applied_late(prepared, failure, warnings).await;
                }
                Err(failure)
            }
            Err(failure) => self.recover(prepared, &failure, warnings).await,
        }
    }

    /// What is needed to search for the create later. The window begins at the first send, whatever came after it.
    fn recovery_context(&self, draft: &ContactDraft, seen: &LookupResult) -> RecoveryContext {
        let sent_at = self.first_sent.unwrap_or_else(crate::clock::now);
        let ids = seen.matches.iter().chain(&seen.near).map(|found| found.contact.remote_id.clone());
        // Until the response comes: the deadline. The call may wait for its turn first, and then takes a part of what is left.
        RecoveryContext::new(draft.clone(), sent_at, self.context.remaining(), ids.collect(), seen.date)
    }

    async fn confirm_create(
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

    /// Without a key: one lookup shows the contact, or the outcome is unknown.
    async fn find_unnamed(
        &self,
        prepared: &Prepared,
        context: &RecoveryContext,
        failure: &Failure,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let unknown = outcome_unknown(self.opened, prepared, failure);
        match look_up_lost(self.context, self.opened, prepared, context).await {
            LookupOutcome::Ours(row) => {
                let read = self.read(prepared, row.remote_id.clone()).await.unwrap_or(*row);
                self.created(prepared, read, context.looked_at, warnings).await
            }
            LookupOutcome::Others(candidates) => Err(unknown.with_candidates(candidates)),
            LookupOutcome::Nobody | LookupOutcome::Unclear(_) => Err(unknown),
        }
    }

    /// The contact that was made, with all that differs from what was sent.
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

    /// Reads a contact in the way of a read-back, which knows what to do where single contacts cannot be read.
    pub(super) async fn read(&self, prepared: &Prepared, id: RemoteId) -> Result<Contact> {
        let applied = Applied { remote_id: Some(id), contact: None };
        self.opened.adapter.read_back(self.context, prepared, &applied).await
    }

    /// Adds contacts that share what does not identify people in this CRM, such as a household's phone number: seen before
    /// the send, a relative is not taken for the contact that was created. If they cannot be seen, a lost create is harder
    /// to recognise, and nothing worse.
    async fn add_non_identifying_matches(
        &self,
        draft: &ContactDraft,
        prepared: &Prepared,
        seen: &mut LookupResult,
    ) {
        let shared = prepared.locator.identity.without_kind(self.opened.spec.create_identity());
        let Ok(found) = self.opened.adapter.find_contacts(self.context, &shared).await else { return };
        let known: HashSet<RemoteId> =
            seen.near.iter().map(|known| known.contact.remote_id.clone()).collect();
        let new = |near: &Match| !known.contains(&near.contact.remote_id) && has_name_of(draft, near);
        seen.near.extend(found.near.into_iter().filter(new));
        seen.matches = found.matches;
    }
}

/// Whether the contact found has the name of the one that is created; CRMs differ in which part of it is the first name.
fn has_name_of(draft: &ContactDraft, found: &Match) -> bool {
    let held = [&found.contact.first_name, &found.contact.last_name].into_iter().flatten();
    let sent = draft.first_name.iter().chain([&draft.last_name]);
    words(sent).map(str::to_lowercase).eq(words(held).map(str::to_lowercase))
}
