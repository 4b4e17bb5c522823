//! The order of a write, once for all CRMs and for create, update and delete.

use std::time::Duration;

use super::compare::{Verdict, differences, is_verifiable};
use super::intent::Intent;
use super::locks::Locks;
use super::outcome::{
    candidates, changed, created_otherwise, did_not_apply, exists, gone, is_ours, not_ours, not_verified,
    outcome_unknown, shown, unsent, unverified, updated_existing,
};
use super::{Shown, WriteOptions, incomplete};
use crate::adapters::{Applied, Found, Prepared};
use crate::domain::{
    CallContext, Caller, Contact, CredentialId, Effect, Failure, FailureKind, FieldFault, RemoteId, Result,
    Scope, Timestamp, Warning, WarningCode,
};
use crate::gateway::credentials::{Credentials, Opened};

/// What a write needs at least to be sent and answered.
const SHORTEST_SEND: Duration = Duration::from_millis(100);

/// One write and what goes along with it.
pub(super) struct Write {
    pub(super) context: CallContext,
    pub(super) caller: Caller,
    pub(super) credential: CredentialId,
    pub(super) options: WriteOptions,
}

impl Write {
    /// Runs a write in a task of its own: a caller who leaves must not leave it half done, with its lock let go while
    /// its call is at the CRM.
    pub(super) async fn run_to_its_end(
        self,
        credentials: Credentials,
        locks: Locks,
        intent: Intent,
    ) -> Result<Shown> {
        let task = tokio::spawn(async move { self.run(&credentials, &locks, intent).await });
        task.await.unwrap_or_else(|_| Err(Failure::internal("the task of a write ended early")))
    }

    /// Runs a write from authorisation to the contact that is answered. The order matters: nothing is sent before
    /// everything that can be refused without sending has been, and nothing is confirmed before it was read back.
    async fn run(&self, credentials: &Credentials, locks: &Locks, intent: Intent) -> Result<Shown> {
        self.caller.require(Scope::ContactsWrite)?;
        let opened = &credentials.open(&self.caller, &self.credential).await?;
        intent.supported(opened)?; // Before any look at the id: what a CRM cannot do, it can for no contact.
        let target = intent.target(opened)?;
        let mut warnings = intent.declared(opened)?;
        self.refuse_if_strict(&warnings)?;
        let _serial = locks.hold(&self.context, &opened.id, intent.words(opened, target.as_ref())).await?;
        let held = self.held(opened, &intent, target.as_ref()).await.map_err(unsent)?;
        warnings.extend(intent.declared_of(opened, held.as_ref()));
        self.refuse_if_strict(&warnings)?;
        let prepared = self.prepare(opened, &intent, target.as_ref(), held.as_ref()).await.map_err(unsent)?;
        warnings.extend(prepared.losses.iter().cloned());
        self.refuse_if_strict(&warnings)?;
        if let (true, Some(held)) = (prepared.nothing_to_do, &held) {
            warnings.extend(incomplete([held]));
            return Ok(shown(opened, held.clone(), warnings));
        }
        // Last of all reads, so that the time in which another writer can slip in is short.
        let seen = self.look_up(opened, &intent, held.as_ref()).await.map_err(unsent)?;
        self.refuse_if_late()?;
        match intent {
            Intent::Create(_) => self.create(opened, &prepared, &seen, warnings).await,
            Intent::Update(..) => self.update(opened, &prepared, held, warnings).await,
            Intent::Delete(_) => self.delete(opened, &prepared).await,
        }
    }

    /// A write that cannot be answered in time is not sent: its outcome would be unknown for nothing.
    fn refuse_if_late(&self) -> Result<()> {
        if self.context.remaining() >= SHORTEST_SEND {
            return Ok(());
        }
        let detail = "The time for this request was used up before the write was sent; nothing was written. Try again with more time.";
        Err(Failure::new(FailureKind::GatewayTimeout, detail))
    }

    /// With `strict=true` nothing is sent that could not be stored to the letter.
    fn refuse_if_strict(&self, warnings: &[Warning]) -> Result<()> {
        let lost =
            |warning: &&Warning| matches!(warning.code, WarningCode::NotStored | WarningCode::PhoneNotParsed);
        let fault = |warning: &Warning| {
            FieldFault::member(warning.pointer.clone(), warning.code.as_str(), warning.message.clone())
        };
        let faults: Vec<FieldFault> = warnings.iter().filter(lost).map(fault).collect();
        if !self.options.strict || faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    /// The record that a change is made to, as the CRM holds it now.
    async fn held(
        &self,
        opened: &Opened,
        intent: &Intent,
        target: Option<&RemoteId>,
    ) -> Result<Option<Contact>> {
        match (intent, target) {
            (Intent::Update(..), Some(id)) => opened.adapter.get_contact(&self.context, id).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Whoever has an identity that the write brings in stands in its way.
    async fn look_up(&self, opened: &Opened, intent: &Intent, held: Option<&Contact>) -> Result<Found> {
        let identity = intent.new_identity(opened.spec.create_identity, held);
        let mut found = opened.adapter.find_contacts(&self.context, &identity).await?;
        found.contacts.retain(|contact| Some(&contact.remote_id) != held.map(|held| &held.remote_id));
        if !found.contacts.is_empty() {
            return Err(exists(opened, &found.contacts));
        }
        if !found.complete && opened.spec.create_upserts {
            let detail = "The CRM's look-up did not show whether the contact exists already, and its create would overwrite one. Nothing was sent.";
            return Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail)
                .with_upstream(opened.spec.provider, None));
        }
        Ok(found)
    }

    async fn prepare(
        &self,
        opened: &Opened,
        intent: &Intent,
        target: Option<&RemoteId>,
        held: Option<&Contact>,
    ) -> Result<Prepared> {
        match (intent, held, target) {
            (Intent::Create(draft), _, _) => opened.adapter.prepare_create(&self.context, draft).await,
            (Intent::Update(_, patch), Some(held), _) => {
                opened.adapter.prepare_update(&self.context, held, patch).await
            }
            (Intent::Delete(_), _, Some(id)) => opened.adapter.prepare_delete(&self.context, id).await,
            _ => Err(Failure::internal("a change without a record")),
        }
    }

    /// A create that the CRM confirmed is never answered with a failure: what cannot be verified is warned about.
    async fn create(
        &self,
        opened: &Opened,
        prepared: &Prepared,
        seen: &Found,
        mut warnings: Vec<Warning>,
    ) -> Result<Shown> {
        let sent_at = Timestamp::now();
        let applied = match opened.adapter.send(&self.context, prepared).await {
            Ok(applied) => applied,
            Err(failure) if failure.effect == Effect::None => {
                return Err(self.refused(opened, prepared, failure).await);
            }
            Err(failure) => return Err(outcome_unknown(opened, prepared, &failure)),
        };
        match opened.adapter.read_back(&self.context, prepared, &applied).await {
            Ok(contact) if applied.remote_id.is_none() && !is_ours(opened, prepared, &contact, sent_at) => {
                Err(not_ours(opened, prepared, &contact))
            }
            Ok(contact) => {
                warnings.extend(updated_existing(opened, seen, &contact));
                let differences = differences(opened.spec, &prepared.expected, &contact);
                warnings.extend(differences.iter().map(created_otherwise));
                warnings.extend(incomplete([&contact]));
                Ok(shown(opened, contact, warnings))
            }
            Err(failure) => {
                let Some(contact) = unverified(&prepared.expected, applied) else {
                    return Err(outcome_unknown(opened, prepared, &failure));
                };
                warnings.push(not_verified("created", &failure));
                Ok(shown(opened, contact, warnings))
            }
        }
    }

    /// A write that the CRM refused; where somebody stands in its way, with who that is.
    async fn refused(&self, opened: &Opened, prepared: &Prepared, failure: Failure) -> Failure {
        if failure.kind != FailureKind::ContactExists || !failure.candidates.is_empty() {
            return failure;
        }
        let identity = prepared.trail.identity.clone().telling(opened.spec.create_identity);
        let found = opened.adapter.find_contacts(&self.context, &identity).await;
        let mut others = found.map_or_else(|_| Vec::new(), |found| found.contacts);
        others.retain(|contact| Some(&contact.remote_id) != prepared.trail.remote_id.as_ref());
        failure.with_candidates(candidates(opened, &others))
    }

    /// A change is judged by what the CRM holds afterwards, also where its answer was lost.
    async fn update(
        &self,
        opened: &Opened,
        prepared: &Prepared,
        held: Option<Contact>,
        mut warnings: Vec<Warning>,
    ) -> Result<Shown> {
        let (applied, lost) = match opened.adapter.send(&self.context, prepared).await {
            Ok(applied) => (applied, None),
            Err(failure) if failure.effect == Effect::None => {
                return Err(self.refused(opened, prepared, failure).await);
            }
            Err(failure) => (Applied { remote_id: None, contact: None }, Some(failure)),
        };
        let contact = match opened.adapter.read_back(&self.context, prepared, &applied).await {
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
        let (unseen, wrong): (Vec<_>, Vec<_>) = differences(opened.spec, &prepared.expected, &contact)
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
    /// the contact being gone.
    async fn delete(&self, opened: &Opened, prepared: &Prepared) -> Result<Shown> {
        let (applied, lost) = match opened.adapter.send(&self.context, prepared).await {
            Ok(applied) => (applied, None),
            Err(failure) if failure.effect == Effect::None => return Err(failure),
            Err(failure) => (Applied { remote_id: None, contact: None }, Some(failure)),
        };
        let id = prepared.trail.remote_id.clone().unwrap_or_else(|| RemoteId::from(""));
        let gone = || Ok(shown(opened, Contact::bare(id), Vec::new()));
        match (opened.adapter.read_back(&self.context, prepared, &applied).await, lost) {
            (Err(failure), _) if failure.kind == FailureKind::ContactNotFound => gone(),
            (_, Some(lost)) => Err(lost),
            (Err(_), None) => gone(),
            (Ok(_), None) => {
                let detail = "The CRM confirmed the removal and still shows the contact.";
                Err(Failure::new(FailureKind::UpstreamDidNotApply, detail)
                    .with_upstream(opened.spec.provider, None))
            }
        }
    }
}
