//! Updates the contact that matches, or creates one if none does. Fails if the lookup cannot decide.

use std::collections::HashSet;

use super::errors::{candidates, possible_duplicates};
use super::operation::{WriteOperation, record_key};
use super::{ContactView, UpsertOutcome, create, declared, new_values, recovery, update};
use crate::adapters::{AdapterSpec, ContactIdentity, IdentityKind, LookupResult, Match};
use crate::domain::bounds::{EMAILS_MOST, PHONES_MOST};
use crate::domain::{ContactDraft, ContactUpsert, Failure, FailureKind, FieldFault, RemoteId, Result, Text};

/// Writes `upsert` to the contact that `match_on` finds; by default the lookup uses the value that
/// identifies contacts in the CRM, because households share the others.
pub(super) async fn upsert(
    operation: &mut WriteOperation<'_>,
    upsert: ContactUpsert,
    match_on: Option<&[IdentityKind]>,
) -> Result<ContactView> {
    let opened = operation.opened;
    let operations = opened.spec.operations;
    operation.require(operations.create && operations.update, "create and change")?;
    let kinds = match_on.unwrap_or(&opened.spec.identities[..1]);
    check(opened.spec, &upsert, kinds)?;
    // Required fields are only checked if the upsert creates a contact.
    let warnings = declared::of_patch(opened.spec, &upsert.patch);
    operation.refuse_if_strict(&warnings)?;
    let _permit = operation
        .enter(update::brought_in_keys(operation, &upsert.patch, match_on.unwrap_or_default()))
        .await?;
    // Recovers an earlier request with the same key before anything new is done.
    if let Some(done) = recovery::resume(operation, &upsert.draft, &warnings).await? {
        return Ok(as_outcome(UpsertOutcome::Created, done));
    }
    let identity = identity(&upsert.draft, kinds);
    let found = opened.adapter.find_contacts(operation.context, &identity).await?;
    if let Some(done) = recovery::upserted_late(operation, &upsert.draft, &found.matches).await? {
        return Ok(as_outcome(UpsertOutcome::Created, done));
    }
    let near = near_only(&found);
    match found.matches.as_slice() {
        // Two matches are ambiguous even if the lookup is incomplete.
        [] | [_] if !found.complete => {
            let detail = "The CRM's lookup did not show all matches. Nothing was sent.";
            Err(opened.failure(FailureKind::UpstreamInvalidResponse, detail))
        }
        matches if may_be_near(match_on, matches, &near) => {
            let detail = "More than one contact may match: the CRM has a number with the same national digits and an unknown country code. Nothing was written. Update the contact by its id, set the credential's `defaultRegion`, or use another `matchOn`.";
            let all: Vec<Match> = matches.iter().chain(near).cloned().collect();
            Err(Failure::new(FailureKind::AmbiguousMatch, detail)
                .with_candidates(candidates(opened, &all, found.more)))
        }
        [] => {
            new_values::check_new(&upsert)?;
            let warnings = declared::of_draft(opened.spec, &upsert.draft)?;
            operation.refuse_if_strict(&warnings)?;
            let created = create::create_entered(operation, &upsert.draft, warnings, true).await?;
            Ok(as_outcome(UpsertOutcome::Created, created))
        }
        [only] if match_on.is_some() || !is_renamed(&upsert.draft, only) => {
            let id = only.contact.remote_id.clone();
            operation.lock(record_key(&id)).await?;
            let mut warnings = declared::of_patch(opened.spec, &upsert.patch);
            warnings.extend(possible_duplicates(opened, &near));
            let updated = update::update_entered(operation, &id, upsert.patch, warnings).await?;
            Ok(as_outcome(UpsertOutcome::Updated, updated))
        }
        matches => {
            let detail = match matches {
                [_] => {
                    "One contact matches but has another name. It may be a relative with the same address or number. Nothing was written. Update the contact by its id, or use another `matchOn`."
                }
                _ => "More than one contact matches. Nothing was written. Update the right one by its id.",
            };
            Err(Failure::new(FailureKind::AmbiguousMatch, detail)
                .with_candidates(candidates(opened, matches, found.more)))
        }
    }
}

fn as_outcome(outcome: UpsertOutcome, view: ContactView) -> ContactView {
    ContactView { outcome: Some(outcome), ..view }
}

/// Contacts that match only in national digits.
fn near_only(found: &LookupResult) -> Vec<&Match> {
    let matches: HashSet<&RemoteId> = found.matches.iter().map(|found| &found.contact.remote_id).collect();
    found.near.iter().filter(|near| !matches.contains(&near.contact.remote_id)).collect()
}

/// Whether a near match may be the contact: `match_on` has a kind by which only near matches were found, such
/// as equal national digits.
fn may_be_near(match_on: Option<&[IdentityKind]>, matches: &[Match], near: &[&Match]) -> bool {
    let is_open = |kind: &IdentityKind| {
        near.iter().any(|near| near.matched_by.contains(kind))
            && !matches.iter().any(|found| found.matched_by.contains(kind))
    };
    match_on.is_some_and(|kinds| kinds.iter().any(is_open))
}

/// The draft's values of these kinds. A list longer than the limit for new lists comes from a contact that has
/// it; its first entries are enough to find it.
fn identity(draft: &ContactDraft, kinds: &[IdentityKind]) -> ContactIdentity {
    let first = |kind: &IdentityKind| {
        let mut identity = ContactIdentity::of(&[*kind], draft).0;
        identity.retain(|identity| identity.kind.is_valid(&identity.value));
        identity.truncate(EMAILS_MOST.max(PHONES_MOST));
        identity
    };
    ContactIdentity(kinds.iter().flat_map(first).collect())
}

/// Fails if there is nothing to search by: each such upsert would create another contact.
fn check(spec: &AdapterSpec, upsert: &ContactUpsert, kinds: &[IdentityKind]) -> Result<()> {
    if let Some(other) = kinds.iter().find(|kind| !spec.identities.contains(kind)) {
        let words: Vec<&str> = spec.identities.iter().map(|kind| kind.word()).collect();
        let detail = format!(
            "{} does not support lookups by `{}`. Supported: {}.",
            spec.name,
            other.word(),
            words.join(", ")
        );
        return Err(Failure::parameter("matchOn", detail));
    }
    if identity(&upsert.draft, kinds).0.iter().any(|identity| identity.kind.is_specific(&identity.value)) {
        return Ok(());
    }
    new_values::check_new(upsert)?;
    let fault = |kind: &IdentityKind| {
        let detail = format!(
            "The upsert needs a value to search by. Send at least one complete `{}`, or use another `matchOn`.",
            kind.word()
        );
        FieldFault::member(kind.pointer(), "required", detail)
    };
    Err(Failure::validation(kinds.iter().map(fault).collect::<Vec<_>>()))
}

/// Whether both first and last name differ.
fn is_renamed(draft: &ContactDraft, found: &Match) -> bool {
    let differs = |wanted: Option<&Text>, held: Option<&Text>| {
        let plain = |text: &Text| text.trim().to_lowercase();
        wanted.is_some_and(|wanted| held.map(plain) != Some(plain(wanted)))
    };
    differs(draft.first_name.as_ref(), found.contact.first_name.as_ref())
        && differs(Some(&draft.last_name), found.contact.last_name.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::spec;
    use crate::domain::ContactPatch;

    #[test]
    fn people_are_matched_only_by_what_the_crm_declares() {
        let by_email = AdapterSpec { identities: &[IdentityKind::EmailAddress], ..*spec("aptly").unwrap() };
        let draft = ContactDraft::of_name("Byron".into());
        let upsert = ContactUpsert { draft, patch: ContactPatch::default() };
        let refused = check(&by_email, &upsert, &[IdentityKind::PhoneNumber]).unwrap_err();
        assert_eq!(refused.kind, FailureKind::InvalidParameter);
        assert_eq!(refused.faults[0].place.as_str(), "matchOn");
        let nothing_given = check(&by_email, &upsert, &[IdentityKind::EmailAddress]).unwrap_err();
        assert_eq!(nothing_given.faults[0].place.as_str(), "/emailAddresses");
    }
}
