//! Updates a contact: reads it, sends the change, and verifies the contact after it.

use std::collections::{BTreeSet, HashSet};

use super::compare::{Finding, Verdict, is_verifiable};
use super::errors::{gone, unsent};
use super::operation::{WriteOperation, record_key};
use super::verify::unverified;
use super::{ContactView, declared, ids, incomplete, new_values};
use crate::adapters::{Applied, ContactIdentity, IdentityKey, IdentityKind, IdentitySource, Prepared};
use crate::blocking;
use crate::config::crash_point;
use crate::domain::bounds::{EMAILS_MOST, PHONES_MOST};
use crate::domain::{Contact, ContactPatch, Effect, Failure, FailureKind, RemoteId, Result, Warning};

/// The CRM's response to a write, and the failure if the response was lost.
pub(super) struct Sent {
    pub(super) applied: Applied,
    pub(super) lost: Option<Failure>,
}

impl WriteOperation<'_> {
    /// Applies `patch` to the contact `id`, which is the gateway's id or the CRM's.
    pub(super) async fn update(&mut self, id: &str, patch: ContactPatch) -> Result<ContactView> {
        self.require(self.opened.spec.operations.update, "change")?;
        let id = ids::open(&self.opened.id, id)?;
        let warnings = declared::of_patch(self.opened.spec, &patch);
        self.refuse_if_strict(&warnings)?;
        let mut keys = self.brought_in_keys(&patch, &[]);
        keys.extend(record_key(&id));
        let _permit = self.enter(keys).await?;
        self.refuse_if_moved().await?;
        self.update_entered(&id, patch, warnings).await
    }

    /// The lock keys of the identities that `patch` adds.
    pub(super) fn brought_in_keys(
        &self,
        patch: &ContactPatch,
        match_on: &[IdentityKind],
    ) -> BTreeSet<String> {
        /// A list longer than the limit for new lists adds nothing: only a held list may be that long.
        fn new<T>(list: &[T], most: usize) -> &[T] {
            if list.len() <= most { list } else { &[] }
        }
        let all = IdentitySource::from(patch);
        let (emails, phones) = (new(all.emails, EMAILS_MOST), new(all.phones, PHONES_MOST));
        self.identity_keys(IdentitySource { emails, phones, ..all }, match_on)
    }

    /// The update after its locks are taken, from the last reads to the returned contact. Also used by an
    /// upsert with one match.
    pub(super) async fn update_entered(
        &mut self,
        id: &RemoteId,
        patch: ContactPatch,
        mut warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let opened = self.opened;
        let held = opened.adapter.get_contact(self.context, id).await.map_err(unsent)?;
        let held = self.with_replaced_fields(held, &patch).await.map_err(unsent)?;
        let unmet = self.unmet(&held).await?;
        // An earlier request with this key may have changed the contact.
        if let Some(changed) = unmet.as_ref().filter(|_| !self.sent_before) {
            return Err(changed.clone());
        }
        let patch = self.without_parts(patch, &held, &mut warnings).await?;
        let declared = blocking::within(self.context, held.size(), || {
            new_values::check(opened.spec, &patch, &held)?;
            Ok(declared::of_change(opened.spec, &ids::make(&opened.id, &held.remote_id), &held, &patch))
        });
        warnings.extend(declared.await??);
        self.refuse_if_strict(&warnings)?;
        let prepared = opened.adapter.prepare_update(self.context, &held, &patch).await.map_err(unsent)?;
        warnings.extend(prepared.losses.iter().cloned());
        self.refuse_if_strict(&warnings)?;
        if prepared.is_noop {
            warnings.extend(incomplete(&held));
            return Ok(self.as_read(held, warnings).await);
        }
        self.refuse_unless_applied(&prepared, &held, unmet).await?;
        // The last of the reads, so that another writer has little time to interfere.
        let identity = self.new_identity(&patch, &held);
        let seen = self.refuse_if_taken(&identity, Some(&held.remote_id)).await.map_err(unsent)?;
        crash_point("looked_up");
        self.refuse_if_late()?;
        warnings.extend(self.duplicates(&seen.near));
        self.send_update(&prepared, &held, warnings).await
    }

    /// The identity that the contact would get by `patch` and does not have yet.
    fn new_identity(&self, patch: &ContactPatch, held: &Contact) -> ContactIdentity {
        let (kind, region) = (self.opened.spec.create_identity(), self.opened.adapter.region());
        let mut identity = ContactIdentity::of(&[kind], patch);
        let held: HashSet<IdentityKey> =
            kind.values(held).iter().map(|held| kind.key(region, held)).collect();
        identity.0.retain(|new| !held.contains(&kind.key(region, &new.value)));
        identity
    }

    /// Verifies a change by a read, also if its response was lost. If a lost change was not applied, it is sent
    /// once more: repeating an update gives the same record.
    async fn send_update(
        &mut self,
        prepared: &Prepared,
        held: &Contact,
        warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        let sent = self.send_once(prepared, &warnings).await?;
        let was_lost = sent.lost.is_some();
        match self.updated(prepared, sent, held, warnings.clone()).await {
            Err(first) if was_lost && self.may_send_again(prepared, &first).await => {
                match self.send_once(prepared, &warnings).await {
                    // The first send may have been applied. The failure of the second one says nothing about
                    // it.
                    Err(second) if second.effect == Effect::None => Err(first),
                    sent => self.updated(prepared, sent?, held, warnings).await,
                }
            }
            outcome => outcome,
        }
    }

    /// Sends an update or a delete. Fails if the CRM refuses it, but not if the response was lost.
    pub(super) async fn send_once(&mut self, prepared: &Prepared, warnings: &[Warning]) -> Result<Sent> {
        let (before, sent) = self.send(prepared, None, warnings).await?;
        match sent {
            Ok(applied) => Ok(Sent { applied, lost: None }),
            Err(failure) if failure.effect == Effect::None => {
                Err(self.refused(prepared, before, failure).await?)
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
            // The CRM confirmed the change, so a failed read must not look like a failed write.
            (Err(failure), None) => {
                return Ok(unverified(opened, &held.remote_id, applied, "changed", &failure, warnings));
            }
        };
        let verified = self.sent(prepared).verified(Some(held), contact).await;
        // Without a confirmation, only what was read counts.
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
}
