//! Steps that all writes of a contact share: locks, checks before a send, and the send.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::condition::{Condition, tag_of_written};
use super::dry_run::{DryRun, stopped};
use super::errors::{candidates, exists, possible_duplicates, updated_existing, view};
use super::verify::SentWrite;
use super::{ContactView, WriteOptions};
use crate::adapters::{
    Applied, ContactIdentity, IdentityKind, IdentitySource, LookupResult, Match, Prepared,
};
use crate::config::crash_point;
use crate::domain::{
    CallContext, Contact, Effect, Failure, FailureKind, Faults, FieldFault, RemoteId, Result, Retryable,
    TenantId, Timestamp, Warning, WarningCode,
};
use crate::gateway::credentials::ConnectedCredential;
use crate::gateway::writes::{Guard, InFlightWrite, Locks, RecoveryContext, WriteState};
use crate::upstream::{Permit, Visit};

/// The least time to send and confirm a write.
pub(super) const SHORTEST_SEND: Duration = Duration::from_millis(100);

/// A write through an open credential.
pub(super) struct WriteOperation<'a> {
    pub(super) context: &'a CallContext,
    pub(super) options: WriteOptions,
    pub(super) condition: Option<&'a Condition>,
    pub(super) tenant: &'a TenantId,
    pub(super) opened: &'a ConnectedCredential,
    pub(super) settle: Duration,
    pub(super) locks: &'a Locks,
    /// Locks that keep out other writes on the same contact and identities.
    pub(super) locks_held: Vec<Guard>,
    /// The write with the caller's key; `None` without a key.
    pub(super) in_flight: Option<InFlightWrite>,
    /// Whether an earlier request with this key ended while an update or a delete was sent.
    pub(super) sent_before: bool,
    /// When the key was first used, if an earlier send with it was proven absent. The create was not sent before.
    pub(super) created_after: Option<Timestamp>,
    /// Whether nothing may be sent.
    pub(super) is_dry_run: bool,
    /// What a dry run would have sent.
    pub(super) planned: Option<DryRun>,
}

impl<'a> WriteOperation<'a> {
    /// How to read the contact of `prepared` after its send.
    pub(super) const fn sent_write(&self, prepared: &'a Prepared) -> SentWrite<'a> {
        SentWrite { context: self.context, opened: self.opened, prepared }
    }

    /// Fails with `operation_unsupported` if the CRM does not have the operation. Called before the id is read,
    /// because no id can be valid.
    pub(super) fn require(&self, supported: bool, verb: &str) -> Result<()> {
        if supported {
            return Ok(());
        }
        let crm = self.opened.spec.name;
        let detail = format!("{crm}'s API cannot {verb} contacts. Do it in {crm}.");
        Err(self.opened.failure(FailureKind::OperationUnsupported, detail))
    }

    /// With `strict=true` fails if a value could not be stored exactly.
    pub(super) fn refuse_if_strict(&self, warnings: &[Warning]) -> Result<()> {
        let lost = |warning: &&Warning| {
            matches!(
                warning.code,
                WarningCode::NotStored | WarningCode::PhoneNotParsed | WarningCode::OrderChanged
            )
        };
        let fault = |warning: &Warning| {
            FieldFault::member(&warning.pointer, warning.code.as_str(), warning.message.clone())
        };
        let faults: Faults = warnings.iter().filter(lost).map(fault).collect();
        if !self.options.strict || faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// Waits for the locks of `keys`, then for a permit of the credential. A write that waits for another one
    /// holds no permit. It counts among the credential's requests until the returned values are dropped.
    pub(super) async fn enter(&mut self, keys: BTreeSet<String>) -> Result<(Visit, Permit)> {
        let visit = self.opened.account.visit()?;
        self.lock(keys).await?;
        let permit = visit.enter(self.context).await?;
        Ok((visit, permit))
    }

    /// Waits for more locks. All writers take the keys of addresses and numbers before those of contacts. A dry run writes
    /// nothing, so it takes none.
    pub(super) async fn lock(&mut self, keys: BTreeSet<String>) -> Result<()> {
        if self.is_dry_run {
            return Ok(());
        }
        let guard = self.locks.hold(self.context, (self.tenant, &self.opened.id), keys).await?;
        self.locks_held.push(guard);
        Ok(())
    }

    /// The lock keys of identities that a write adds. Values that households share are only locked if the CRM,
    /// or the upsert by `match_on`, identifies contacts by them.
    pub(super) fn identity_keys(
        &self,
        brought_in: IdentitySource<'_>,
        match_on: &[IdentityKind],
    ) -> BTreeSet<String> {
        let (spec, region) = (self.opened.spec, self.opened.adapter.region());
        let serialises = |kind: &&IdentityKind| {
            !kind.is_shared() || **kind == spec.create_identity() || match_on.contains(kind)
        };
        let keys = |kind: &IdentityKind| {
            let kind = *kind;
            kind.values(brought_in).into_iter().map(move |value| kind.lock_key(region, &value))
        };
        spec.identities.iter().filter(serialises).flat_map(keys).collect()
    }

    /// Searches for other contacts that have one of `identity`. Fails with `contact_exists`.
    pub(super) async fn refuse_if_taken(
        &self,
        identity: &ContactIdentity,
        written: Option<&RemoteId>,
    ) -> Result<LookupResult> {
        let opened = self.opened;
        let mut found = opened.adapter.find_contacts(self.context, identity).await?;
        let other = |other: &Match| Some(&other.contact.remote_id) != written;
        found.matches.retain(other);
        found.near.retain(other);
        if !found.matches.is_empty() {
            return Err(exists(opened, &found));
        }
        if !found.complete && opened.spec.create_upserts {
            let detail = "The CRM's lookup did not show whether the contact already exists, and a create would overwrite it. Nothing was sent.";
            return Err(opened.failure(FailureKind::UpstreamInvalidResponse, detail));
        }
        Ok(found)
    }

    /// A warning about contacts that may be duplicates of the written one.
    pub(super) fn duplicates<'b>(&self, seen: impl IntoIterator<Item = &'b Match>) -> Option<Warning> {
        let mut named = HashSet::new();
        let seen = seen.into_iter().filter(|found| named.insert(&found.contact.remote_id));
        possible_duplicates(self.opened, &seen.collect::<Vec<_>>())
    }

    /// Fails if there is too little time to confirm the write: its outcome would be unknown.
    pub(super) fn refuse_if_late(&self) -> Result<()> {
        if self.context.remaining() >= SHORTEST_SEND {
            return Ok(());
        }
        let detail = "The time for this request ran out before the write was sent. Nothing was written. Try again with more time.";
        Err(Failure::new(FailureKind::GatewayTimeout, detail))
    }

    /// Sends a write, after it is stored that it may be sent. Every write is sent here, and a dry run ends here. Returns the
    /// state before, and what the CRM responded.
    pub(super) async fn send(
        &mut self,
        prepared: &Prepared,
        context: Option<RecoveryContext>,
        warnings: &[Warning],
    ) -> Result<(WriteState, Result<Applied>)> {
        if self.is_dry_run {
            self.planned = Some(DryRun::of(prepared, warnings)?);
            return Err(stopped());
        }
        let before = self.sending(context).await?;
        let sent = self.opened.adapter.send(self.context, prepared).await;
        crash_point("sent");
        Ok((before, sent))
    }

    /// Stores that the write may be sent from now on, and returns the state before. If this fails, nothing may
    /// be sent.
    async fn sending(&mut self, context: Option<RecoveryContext>) -> Result<WriteState> {
        let Some(write) = &mut self.in_flight else {
            return self.check_locks().map(|()| WriteState::Reserved);
        };
        let before = write.state().clone();
        write.send_to(self.opened.destination());
        let noted = write.sending(context).await;
        if let Err(failure) = noted.and_then(|()| self.check_locks()) {
            if let Some(write) = &mut self.in_flight {
                write.not_sent(before);
            }
            return Err(failure);
        }
        crash_point("sending_noted");
        Ok(before)
    }

    fn check_locks(&self) -> Result<()> {
        if self.locks_held.iter().all(Guard::holds) {
            return Ok(());
        }
        let detail = "The gateway paused for so long that another write may be running on the same contact. Nothing was sent. Try again.";
        Err(Failure::new(FailureKind::GatewayTimeout, detail))
    }

    /// Handles a write that the CRM refused; `before` is the state before the send. The failure is final if the
    /// CRM rejected the content. If another contact conflicts, the failure names it.
    pub(super) async fn refused(
        &mut self,
        prepared: &Prepared,
        before: WriteState,
        failure: Failure,
    ) -> Result<Failure> {
        let status = failure.upstream.and_then(|upstream| upstream.status);
        // Errors about the login or a path of the settings can be fixed there, so they are not final.
        let of_the_write = matches!(
            failure.kind,
            FailureKind::UpstreamRejected
                | FailureKind::ContactExists
                | FailureKind::ContactNotFound
                | FailureKind::UpstreamError
        );
        let is_final =
            of_the_write && status.is_some_and(|status| matches!(status, 200..=299 | 400 | 404 | 409 | 422));
        // The key replays a final failure from now on.
        let failure =
            if is_final { failure.with_effect(Effect::Final).with_retryable(Retryable::No) } else { failure };
        let failure = self.with_conflicting_contacts(prepared, failure).await;
        if let (Some(write), Effect::None) = (&mut self.in_flight, &failure.effect) {
            write.refused(before).await?;
        }
        Ok(failure)
    }

    async fn with_conflicting_contacts(&self, prepared: &Prepared, failure: Failure) -> Failure {
        if failure.kind != FailureKind::ContactExists || !failure.candidates.is_empty() {
            return failure;
        }
        let opened = self.opened;
        let identity = prepared.locator.identity.identifying(opened.spec.create_identity());
        let found = opened.adapter.find_contacts(self.context, &identity).await;
        let (mut others, more) = found.map_or_else(|_| (Vec::new(), 0), |found| (found.matches, found.more));
        others.retain(|other| Some(&other.contact.remote_id) != prepared.locator.remote_id.as_ref());
        failure.with_candidates(candidates(opened, &others, more))
    }

    /// The created contact, with a warning for every difference from what was sent.
    pub(super) async fn as_created(
        &self,
        prepared: &Prepared,
        contact: Contact,
        looked_at: Option<Timestamp>,
        mut warnings: Vec<Warning>,
    ) -> Result<ContactView> {
        warnings.extend(updated_existing(self.opened, looked_at, &contact));
        let verified = self.sent_write(prepared).verified(None, contact).await;
        let (contact, warnings) = verified.concluded(self.opened, warnings)?;
        Ok(self.as_read(contact, warnings).await)
    }

    /// The contact as read after the write, with its tag.
    pub(super) async fn as_read(&self, contact: Contact, warnings: Vec<Warning>) -> ContactView {
        let tag = tag_of_written(self.context, self.opened, &contact).await;
        ContactView { tag, ..view(self.opened, contact, warnings) }
    }
}

/// The lock key of a contact. It sorts after those of addresses and numbers.
pub(super) fn record_key(id: &RemoteId) -> BTreeSet<String> {
    BTreeSet::from([format!("record {id}")])
}
