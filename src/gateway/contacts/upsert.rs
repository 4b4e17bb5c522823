//! Creates a person or changes the one who is there: who that is decides the look-up, and where it cannot, the caller.

use std::collections::HashSet;

use super::intent::{self, Intent};
use super::locks::Locks;
use super::outcome::{candidates, possible_duplicates};
use super::write::WriteOperation;
use super::{ContactView, UpsertOutcome, declared, ids, new_values};
use crate::adapters::{ContactIdentity, IdentityKind, LookupResult, Match};
use crate::domain::bounds::{EMAILS_MOST, PHONES_MOST};
use crate::domain::{
    ContactDraft, ContactUpsert, Failure, FailureKind, FieldFault, RemoteId, Result, Text, digits,
};

impl WriteOperation<'_> {
    /// The rest of an upsert under its lock. Without `match_on` people are told apart as the CRM does it, because
    /// households share the rest.
    pub(super) async fn upsert(
        &mut self,
        locks: &Locks,
        upsert: ContactUpsert,
        match_on: Option<Vec<IdentityKind>>,
    ) -> Result<ContactView> {
        let opened = self.opened;
        let identity = identity(&upsert.draft, &kinds(opened.spec.create_identity, match_on.as_deref()));
        let found = opened.adapter.find_contacts(self.context, &identity).await?;
        if let Some(done) = self.upserted_late(&upsert.draft, &found.matches).await? {
            return Ok(done);
        }
        let near = near_ones(&found);
        match found.matches.as_slice() {
            // Two that were seen are two too many, whoever else matches.
            [] | [_] if !found.complete => {
                let detail = "The CRM's look-up did not show all who match. Nothing was sent.";
                Err(Failure::new(FailureKind::UpstreamInvalidResponse, detail)
                    .with_upstream(opened.spec.provider, None))
            }
            matches if !near.is_empty() && leaves_open(match_on.as_deref(), matches) => {
                let detail = "The CRM has a contact whose number has the same national digits and no country code that the gateway knows, so nobody can tell whether it is this person. Change it by its id, set the credential's `defaultRegion`, or name in `matchOn` what tells people apart. Nothing was written.";
                let all: Vec<Match> = matches.iter().chain(near).cloned().collect();
                Err(Failure::new(FailureKind::AmbiguousMatch, detail)
                    .with_candidates(candidates(opened, &all, found.more)))
            }
            [] => {
                new_values::check_new(&upsert)?;
                let draft = upsert.draft;
                let warnings = declared::of_draft(opened.spec, &draft)?;
                self.refuse_if_strict(&warnings)?;
                let created = self.carry_out(Intent::Create(draft), None, warnings).await?;
                Ok(ContactView { outcome: Some(UpsertOutcome::Created), ..created })
            }
            [only] if match_on.is_some() || !is_renamed(&upsert.draft, only) => {
                let id = only.contact.remote_id.clone();
                // Behind the locks on addresses and numbers, in the order in which every writer takes them.
                self.locks_held.push(locks.hold(self.context, self.place(), intent::record(&id)).await?);
                let patch = upsert.patch;
                let mut warnings = declared::of_patch(opened.spec, &patch);
                warnings.extend(possible_duplicates(opened, &near));
                let update = Intent::Update(ids::make(&opened.id, &id).as_str().to_owned(), patch);
                let updated = self.carry_out(update, Some(id), warnings).await?;
                Ok(ContactView { outcome: Some(UpsertOutcome::Updated), ..updated })
            }
            matches => {
                let detail = match matches {
                    [_] => {
                        "One contact matches and bears another name: relatives share addresses and numbers. Change it by its id, or name in `matchOn` what tells people apart. Nothing was written."
                    }
                    _ => "Several contacts match. Change the right one by its id. Nothing was written.",
                };
                Err(Failure::new(FailureKind::AmbiguousMatch, detail)
                    .with_candidates(candidates(opened, matches, found.more)))
            }
        }
    }
}

/// Who was found by national digits alone, and is not among those who match.
fn near_ones(found: &LookupResult) -> Vec<&Match> {
    let matches: HashSet<&RemoteId> = found.matches.iter().map(|found| &found.contact.remote_id).collect();
    found.near.iter().filter(|near| !matches.contains(&near.contact.remote_id)).collect()
}

/// Whether the caller looks by phone and nobody has just this number: then one who has its national digits may be
/// meant.
fn leaves_open(match_on: Option<&[IdentityKind]>, matches: &[Match]) -> bool {
    match_on.is_some_and(|kinds| kinds.contains(&IdentityKind::PhoneNumber))
        && !matches.iter().any(|found| found.on.contains(&IdentityKind::PhoneNumber))
}

/// A number with fewer digits finds anybody or nobody.
const FEWEST_DIGITS: usize = 7;

/// By what an upsert looks.
pub(super) fn kinds(usual: IdentityKind, match_on: Option<&[IdentityKind]>) -> Vec<IdentityKind> {
    match_on.map_or_else(|| vec![usual], <[IdentityKind]>::to_vec)
}

/// What the draft has of these kinds. A longer list than is written as new is one that a contact holds already: its first
/// entries find that contact.
pub(super) fn identity(draft: &ContactDraft, kinds: &[IdentityKind]) -> ContactIdentity {
    let mut identity = kinds.iter().fold(ContactIdentity::default(), |all, kind| {
        let ContactIdentity { emails, phones } =
            ContactIdentity::of(*kind, &draft.email_addresses, &draft.phone_numbers);
        ContactIdentity { emails: [all.emails, emails].concat(), phones: [all.phones, phones].concat() }
    });
    identity.emails.retain(|email| new_values::is_identity(email, true));
    identity.phones.retain(|phone| new_values::is_identity(phone, false));
    identity.emails.truncate(EMAILS_MOST);
    identity.phones.truncate(PHONES_MOST);
    identity
}

/// An upsert without anything to look by would create the same person again and again.
pub(super) fn check(upsert: &ContactUpsert, kinds: &[IdentityKind]) -> Result<()> {
    let ContactIdentity { emails, phones } = identity(&upsert.draft, kinds);
    if !emails.is_empty() || phones.iter().any(|phone| digits(phone).len() >= FEWEST_DIGITS) {
        return Ok(());
    }
    new_values::check_new(upsert)?;
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
    Err(Failure::validation(kinds.iter().map(fault).collect::<Vec<_>>()))
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
