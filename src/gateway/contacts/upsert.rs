//! Creates a person or changes the one who is there: who that is decides the look-up, and where it cannot, the caller.

use super::intent::{self, Intent};
use super::locks::Locks;
use super::outcome::candidates;
use super::write::Course;
use super::{Shown, UpsertOutcome, declared, ids};
use crate::adapters::{Identity, IdentityKind, Match, digits};
use crate::domain::{ContactDraft, ContactPatch, Failure, FailureKind, FieldFault, Patch, Result, Text};

impl Course<'_> {
    /// The rest of an upsert under its lock. Without `match_on` people are told apart as the CRM does it, because
    /// households share the rest.
    pub(super) async fn upsert(
        &mut self,
        locks: &Locks,
        draft: ContactDraft,
        match_on: Option<Vec<IdentityKind>>,
    ) -> Result<Shown> {
        let opened = self.opened;
        let identity = identity(&draft, &kinds(opened.spec.create_identity, match_on.as_deref()));
        let found = opened.adapter.find_contacts(self.context, &identity).await?;
        if let Some(done) = self.upserted_late(&draft, &found.matches).await? {
            return Ok(done);
        }
        match found.matches.as_slice() {
            _ if !found.complete => {
                let detail = "The CRM's look-up did not show all who match. Nothing was sent.";
                Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail)
                    .with_upstream(opened.spec.provider, None))
            }
            [] => {
                let warnings = declared::of_draft(opened.spec, &draft)?;
                self.refuse_if_strict(&warnings)?;
                let created = self.carry_out(Intent::Create(draft), None, warnings).await?;
                Ok(Shown { outcome: Some(UpsertOutcome::Created), ..created })
            }
            [only] if match_on.is_some() || !is_renamed(&draft, only) => {
                let id = only.contact.remote_id.clone();
                // Behind the locks on addresses and numbers, in the order in which every writer takes them.
                self.serial.push(locks.hold(self.context, self.place(), intent::record(&id)).await?);
                let patch = patch(draft);
                let warnings = declared::of_patch(opened.spec, &patch);
                let update = Intent::Update(ids::make(&opened.id, &id).as_str().to_owned(), patch);
                let updated = self.carry_out(update, Some(id), warnings).await?;
                Ok(Shown { outcome: Some(UpsertOutcome::Updated), ..updated })
            }
            matches => {
                let detail = match matches {
                    [_] => {
                        "One contact matches and bears another name: relatives share addresses and numbers. Change it by its id, or name in `matchOn` what tells people apart. Nothing was written."
                    }
                    _ => "Several contacts match. Change the right one by its id. Nothing was written.",
                };
                Err(Failure::new(FailureKind::AmbiguousMatch, detail)
                    .with_candidates(candidates(opened, matches)))
            }
        }
    }
}

/// A number with fewer digits finds anybody or nobody.
const FEWEST_DIGITS: usize = 7;

/// By what an upsert looks.
pub(super) fn kinds(usual: IdentityKind, match_on: Option<&[IdentityKind]>) -> Vec<IdentityKind> {
    match_on.map_or_else(|| vec![usual], <[IdentityKind]>::to_vec)
}

/// What the draft has of these kinds.
pub(super) fn identity(draft: &ContactDraft, kinds: &[IdentityKind]) -> Identity {
    kinds.iter().fold(Identity::default(), |all, kind| {
        let Identity { emails, phones } = Identity::of(*kind, &draft.email_addresses, &draft.phone_numbers);
        Identity { emails: [all.emails, emails].concat(), phones: [all.phones, phones].concat() }
    })
}

/// An upsert without anything to look by would create the same person again and again.
pub(super) fn check(draft: &ContactDraft, kinds: &[IdentityKind]) -> Result<()> {
    let Identity { emails, phones } = identity(draft, kinds);
    if !emails.is_empty() || phones.iter().any(|phone| digits(phone).len() >= FEWEST_DIGITS) {
        return Ok(());
    }
    let fault = |kind: &IdentityKind| {
        let (member, word) = match kind {
            IdentityKind::EmailAddress => ("/emailAddresses", "e-mail address"),
            IdentityKind::PhoneNumber => ("/phoneNumbers", "phone number"),
        };
        let detail = format!(
            "An upsert looks for the person by this member: give at least one whole {word}, or another `matchOn`."
        );
        FieldFault::member(member, "required", detail)
    };
    Err(Failure::validation(kinds.iter().map(fault).collect()))
}

/// Whether the contact found bears another first and another last name.
fn is_renamed(draft: &ContactDraft, found: &Match) -> bool {
    let differs = |wanted: Option<&Text>, held: Option<&Text>| {
        let plain = |text: &Text| text.trim().to_lowercase();
        wanted.is_some_and(|wanted| held.map(plain) != Some(plain(wanted)))
    };
    differs(draft.first_name.as_ref(), found.contact.first_name.as_ref())
        && differs(Some(&draft.last_name), found.contact.last_name.as_ref())
}

/// What an upsert changes: what it names. A list that it leaves out or gives empty stays.
pub(super) fn patch(draft: ContactDraft) -> ContactPatch {
    let ContactDraft {
        first_name,
        last_name,
        account,
        addresses,
        email_addresses,
        phone_numbers,
        remote_fields,
        read_only,
    } = draft;
    ContactPatch {
        first_name: first_name.into(),
        last_name: Patch::Set(last_name),
        account: account.into(),
        addresses: filled(addresses),
        email_addresses: filled(email_addresses),
        phone_numbers: filled(phone_numbers),
        remote_fields,
        read_only,
    }
}

fn filled<T>(list: Vec<T>) -> Patch<Vec<T>> {
    if list.is_empty() { Patch::Keep } else { Patch::Set(list) }
}
