//! The order of a write, once for all CRMs and for create, update and delete.

use std::collections::BTreeSet;

use super::compare::{Difference, Verdict, differences};
use super::locks::Locks;
use super::{Shown, WriteOptions, declared, ids, incomplete};
use crate::adapters::{Applied, Found, Identity, IdentityKind, Prepared, digits};
use crate::domain::{
    CallContext, Caller, Candidate, Contact, ContactDraft, ContactPatch, CredentialId, Effect, Failure,
    FailureKind, FieldFault, Patch, RemoteId, Result, Scope, Timestamp, Warning, WarningCode,
};
use crate::gateway::credentials::{Credentials, Opened};

/// What is to be written. An id is as it came in the path: the gateway's or the CRM's.
pub(super) enum Intent<'a> {
    /// A new contact.
    Create(ContactDraft),
    /// Changes to the contact of this id.
    Update(&'a str, ContactPatch),
    /// Removal of the contact of this id.
    Delete(&'a str),
}

/// One write and what goes along with it.
pub(super) struct Write<'a> {
    pub(super) context: &'a CallContext,
    pub(super) caller: &'a Caller,
    pub(super) credential: &'a CredentialId,
    pub(super) options: WriteOptions,
}

impl Write<'_> {
    /// Runs a write from authorisation to the contact that is answered. The order matters: nothing is sent before
    /// everything that can be refused without sending has been, and nothing is confirmed before it was read back.
    pub(super) async fn run(
        &self,
        credentials: &Credentials,
        locks: &Locks,
        intent: Intent<'_>,
    ) -> Result<Shown> {
        self.caller.require(Scope::ContactsWrite)?;
        let opened = &credentials.open(self.caller, self.credential).await?;
        intent.supported(opened)?; // Before any look at the id: what a CRM cannot do, it can for no contact.
        let target = intent.target(opened)?;
        let mut warnings = intent.declared(opened)?;
        self.refuse_if_strict(&warnings)?;
        let _serial = locks.hold(self.context, &opened.id, intent.words(opened, target.as_ref())).await?;
        let held = self.held(opened, &intent, target.as_ref()).await.map_err(unsent)?;
        warnings.extend(intent.declared_of(opened, held.as_ref()));
        self.refuse_if_strict(&warnings)?;
        let seen = self.look_up(opened, &intent, held.as_ref()).await.map_err(unsent)?;
        let prepared = self.prepare(opened, &intent, target.as_ref(), held.as_ref()).await.map_err(unsent)?;
        warnings.extend(prepared.losses.iter().cloned());
        self.refuse_if_strict(&warnings)?;
        if let (true, Some(held)) = (prepared.nothing_to_do, held) {
            return Ok(shown(opened, held, warnings));
        }
        match intent {
            Intent::Create(_) => self.create(opened, &prepared, &seen, warnings).await,
            Intent::Update(..) => self.update(opened, &prepared, warnings).await,
            Intent::Delete(_) => self.delete(opened, &prepared).await,
        }
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
        intent: &Intent<'_>,
        target: Option<&RemoteId>,
    ) -> Result<Option<Contact>> {
        match (intent, target) {
            (Intent::Update(..), Some(id)) => opened.adapter.get_contact(self.context, id).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Whoever has an identity that the write brings in stands in its way.
    async fn look_up(&self, opened: &Opened, intent: &Intent<'_>, held: Option<&Contact>) -> Result<Found> {
        let identity = intent.new_identity(opened.spec.create_identity, held);
        let mut found = opened.adapter.find_contacts(self.context, &identity).await?;
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
        intent: &Intent<'_>,
        target: Option<&RemoteId>,
        held: Option<&Contact>,
    ) -> Result<Prepared> {
        match (intent, held, target) {
            (Intent::Create(draft), _, _) => opened.adapter.prepare_create(self.context, draft).await,
            (Intent::Update(_, patch), Some(held), _) => {
                opened.adapter.prepare_update(self.context, held, patch).await
            }
            (Intent::Delete(_), _, Some(id)) => opened.adapter.prepare_delete(self.context, id).await,
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
        let applied = match opened.adapter.send(self.context, prepared).await {
            Ok(applied) => applied,
            Err(failure) if failure.effect == Effect::None => {
                return Err(self.refused(opened, prepared, failure).await);
            }
            Err(failure) => return Err(outcome_unknown(opened, prepared, &failure)),
        };
        match opened.adapter.read_back(self.context, prepared, &applied).await {
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
                let message =
                    format!("The contact was created, but reading it back failed ({}).", failure.kind.code());
                warnings.push(Warning::new(WarningCode::NotVerified, "", message));
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
        let found = opened.adapter.find_contacts(self.context, &identity).await;
        let mut others = found.map_or_else(|_| Vec::new(), |found| found.contacts);
        others.retain(|contact| Some(&contact.remote_id) != prepared.trail.remote_id.as_ref());
        failure.with_candidates(candidates(opened, &others))
    }

    /// A change is judged by what the CRM holds afterwards, also where its answer was lost.
    async fn update(
        &self,
        opened: &Opened,
        prepared: &Prepared,
        mut warnings: Vec<Warning>,
    ) -> Result<Shown> {
        let (applied, lost) = match opened.adapter.send(self.context, prepared).await {
            Ok(applied) => (applied, None),
            Err(failure) if failure.effect == Effect::None => {
                return Err(self.refused(opened, prepared, failure).await);
            }
            Err(failure) => (Applied { remote_id: None, contact: None }, Some(failure)),
        };
        let contact = match opened.adapter.read_back(self.context, prepared, &applied).await {
            Ok(contact) => contact,
            Err(failure) => return Err(lost.unwrap_or(failure)),
        };
        let (unseen, wrong): (Vec<_>, Vec<_>) = differences(opened.spec, &prepared.expected, &contact)
            .into_iter()
            .partition(|difference| difference.verdict == Verdict::Unseen);
        if !wrong.is_empty() {
            return Err(lost.unwrap_or_else(|| did_not_apply(opened, &wrong)));
        }
        warnings.extend(unseen.iter().map(created_otherwise));
        warnings.extend(incomplete([&contact]));
        Ok(shown(opened, contact, warnings))
    }

    /// A removal is confirmed by the CRM's word, unless it still shows the contact; where that word was lost, only by
    /// the contact being gone.
    async fn delete(&self, opened: &Opened, prepared: &Prepared) -> Result<Shown> {
        let (applied, lost) = match opened.adapter.send(self.context, prepared).await {
            Ok(applied) => (applied, None),
            Err(failure) if failure.effect == Effect::None => return Err(failure),
            Err(failure) => (Applied { remote_id: None, contact: None }, Some(failure)),
        };
        let id = prepared.trail.remote_id.clone().unwrap_or_else(|| RemoteId::from(""));
        let gone = || Ok(shown(opened, Contact::bare(id), Vec::new()));
        match (opened.adapter.read_back(self.context, prepared, &applied).await, lost) {
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

impl Intent<'_> {
    fn supported(&self, opened: &Opened) -> Result<()> {
        let (operations, title) = (opened.spec.operations, opened.spec.title);
        let (able, word) = match self {
            Self::Create(_) => (operations.create, "create"),
            Self::Update(..) => (operations.update, "change"),
            Self::Delete(_) => (operations.delete, "remove"),
        };
        if able {
            return Ok(());
        }
        let detail = format!("{title}'s API cannot {word} contacts; do it in {title} itself.");
        Err(Failure::new(FailureKind::OperationUnsupported, detail).with_upstream(opened.spec.provider, None))
    }

    fn target(&self, opened: &Opened) -> Result<Option<RemoteId>> {
        match self {
            Self::Create(_) => Ok(None),
            Self::Update(id, _) | Self::Delete(id) => ids::open(&opened.id, id).map(Some),
        }
    }

    /// What the declaration alone decides, before any call.
    fn declared(&self, opened: &Opened) -> Result<Vec<Warning>> {
        match self {
            Self::Create(draft) => declared::of_draft(opened.spec, draft),
            Self::Update(_, patch) => Ok(declared::of_patch(opened.spec, patch)),
            Self::Delete(_) => Ok(Vec::new()),
        }
    }

    /// What the declaration decides given the record that is to be changed.
    fn declared_of(&self, opened: &Opened, held: Option<&Contact>) -> Vec<Warning> {
        match (self, held) {
            (Self::Update(_, patch), Some(held)) => {
                declared::of_change(opened.spec, &ids::make(&opened.id, &held.remote_id), held, patch)
            }
            _ => Vec::new(),
        }
    }

    /// The identity that this write would give to a record for the first time.
    fn new_identity(&self, by: IdentityKind, held: Option<&Contact>) -> Identity {
        match (self, held) {
            (Self::Create(draft), _) => Identity::of(by, &draft.email_addresses, &draft.phone_numbers),
            (Self::Update(_, patch), Some(held)) => {
                let emails = patch.email_addresses.value().map_or(&[][..], Vec::as_slice);
                let phones = patch.phone_numbers.value().map_or(&[][..], Vec::as_slice);
                let mut identity = Identity::of(by, emails, phones);
                identity.emails.retain(|new| {
                    !held
                        .email_addresses
                        .iter()
                        .any(|known| known.address.to_lowercase() == new.to_lowercase())
                });
                identity.phones.retain(|new| {
                    !held.phone_numbers.iter().any(|known| digits(&known.number) == digits(new))
                });
                identity
            }
            _ => Identity::default(),
        }
    }

    /// What must not be written twice at once: the record, and every identity that the write brings in.
    fn words(&self, opened: &Opened, target: Option<&RemoteId>) -> BTreeSet<String> {
        let (emails, phones) = match self {
            Self::Create(draft) => (draft.email_addresses.as_slice(), draft.phone_numbers.as_slice()),
            Self::Update(_, ContactPatch { email_addresses, phone_numbers, .. }) => (
                email_addresses.value().map_or(&[][..], Vec::as_slice),
                phone_numbers.value().map_or(&[][..], Vec::as_slice),
            ),
            Self::Delete(_) => (&[][..], &[][..]),
        };
        let emails = emails.iter().map(|email| format!("email {}", email.address.trim().to_lowercase()));
        // Phones serialise creates only where they are who somebody is: households share them elsewhere.
        let phones = phones.iter().filter(|_| opened.spec.create_identity == IdentityKind::PhoneNumber);
        let phones = phones.map(|phone| format!("phone {}", digits(&phone.number)));
        let record = target.map(|id| format!("record {id}"));
        emails.chain(phones).chain(record).collect()
    }
}

fn shown(opened: &Opened, contact: Contact, warnings: Vec<Warning>) -> Shown {
    Shown { id: ids::make(&opened.id, &contact.remote_id), contact, warnings }
}

fn candidates(opened: &Opened, contacts: &[Contact]) -> Vec<Candidate> {
    let candidate = |contact: &Contact| Candidate {
        id: Some(ids::make(&opened.id, &contact.remote_id)),
        remote_id: contact.remote_id.clone(),
        matched_on: vec![opened.spec.create_identity.word()],
    };
    contacts.iter().map(candidate).collect()
}

fn exists(opened: &Opened, contacts: &[Contact]) -> Failure {
    let detail = format!(
        "{} has a contact with the same {} already, and nothing was sent. Change that contact instead; `candidates` names it.",
        opened.spec.title,
        opened.spec.create_identity.word(),
    );
    Failure::new(FailureKind::ContactExists, detail).with_candidates(candidates(opened, contacts))
}

/// The same failure, of a call before the write: nothing was sent that could have done anything.
fn unsent(failure: Failure) -> Failure {
    failure.with_effect(Effect::None)
}

/// How many seconds the CRM's clock may be behind ours when it says that a contact is new.
const CLOCKS_APART: i64 = 120;

/// Whether the contact that a look-up found after an answer without an id is the one just made: it holds what was
/// sent, but for one field at most, and is new. A relative may share the only phone.
fn is_ours(opened: &Opened, prepared: &Prepared, contact: &Contact, sent_at: Timestamp) -> bool {
    let differences = differences(opened.spec, &prepared.expected, contact);
    let wrong = differences.iter().filter(|difference| difference.verdict != Verdict::Unseen).count();
    match contact.remote_created_at {
        Some(created) => wrong <= 1 && created.as_second() >= sent_at.as_second() - CLOCKS_APART,
        None => wrong == 0,
    }
}

fn not_ours(opened: &Opened, prepared: &Prepared, contact: &Contact) -> Failure {
    let failure = Failure::new(FailureKind::ContactNotFound, "");
    outcome_unknown(opened, prepared, &failure)
        .with_candidates(candidates(opened, std::slice::from_ref(contact)))
}

/// Creates that reached the CRM while another writer made the same record show it in their times.
fn updated_existing(opened: &Opened, seen: &Found, contact: &Contact) -> Option<Warning> {
    let (created, updated) = (contact.remote_created_at?, contact.remote_updated_at?);
    let before = |date: Timestamp| created.as_second() < date.as_second();
    let other = opened.spec.create_upserts && (seen.date.is_some_and(before) || created != updated);
    other.then(|| {
        let message = format!(
            "Another writer seems to have made this contact in between; {} may have changed it instead of creating one. Check the contact with remoteId {}.",
            opened.spec.title, contact.remote_id
        );
        Warning::new(WarningCode::MayHaveUpdatedExisting, "/remoteId", message)
    })
}

fn created_otherwise(difference: &Difference) -> Warning {
    let Difference { pointer, verdict } = difference;
    let (code, message) = match verdict {
        Verdict::Missing => (WarningCode::NotStored, "The CRM did not store it."),
        Verdict::Other => (WarningCode::ChangedByUpstream, "The CRM holds another value than the one sent."),
        Verdict::Unseen => {
            (WarningCode::NotVerified, "The CRM does not show it, so it could not be verified.")
        }
    };
    Warning::new(code, pointer.clone(), message)
}

fn did_not_apply(opened: &Opened, wrong: &[Difference]) -> Failure {
    let names: Vec<&str> = wrong.iter().map(|difference| difference.pointer.as_str()).collect();
    let detail =
        format!("{} accepted the change but does not hold it: {}.", opened.spec.title, names.join(", "));
    Failure::new(FailureKind::UpstreamDidNotApply, detail)
        .with_faults(wrong.iter().map(Difference::fault).collect())
        .with_upstream(opened.spec.provider, None)
}

/// Whether the contact exists is not known. The detail names the field to look by, never its value.
fn outcome_unknown(opened: &Opened, prepared: &Prepared, failure: &Failure) -> Failure {
    let identity = &prepared.trail.identity;
    let by = match (identity.emails.is_empty(), identity.phones.is_empty()) {
        (false, _) => "emailAddress",
        (true, false) => "phoneNumber",
        (true, true) => "name",
    };
    let detail = format!(
        "The create was sent to {} and its outcome is not known ({}). Look for the contact by its {by} before you send it again.",
        opened.spec.title,
        failure.kind.code(),
    );
    let status = failure.upstream.and_then(|upstream| upstream.status);
    Failure::new(FailureKind::OutcomeUnknown, detail)
        .with_effect(Effect::Unknown)
        .with_upstream(opened.spec.provider, status)
}

/// The contact as the CRM's answer shows it, else as it should be; `None` where not even its id is known.
fn unverified(expected: &ContactPatch, applied: Applied) -> Option<Contact> {
    let Applied { remote_id, contact } = applied;
    let mut made = contact.or_else(|| remote_id.map(Contact::bare))?;
    let text = |patch: &Patch<_>| patch.value().cloned();
    made.first_name = made.first_name.or_else(|| text(&expected.first_name));
    made.last_name = made.last_name.or_else(|| text(&expected.last_name));
    made.account = made.account.or_else(|| text(&expected.account));
    if made.email_addresses.is_empty() {
        made.email_addresses = expected.email_addresses.value().cloned().unwrap_or_default();
    }
    if made.phone_numbers.is_empty() {
        made.phone_numbers = expected.phone_numbers.value().cloned().unwrap_or_default();
    }
    Some(made)
}
