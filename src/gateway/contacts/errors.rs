//! Errors and warnings: duplicates, unknown outcomes, conflicting contacts, and lists that cannot be read.

use super::{ContactView, ids};
use crate::adapters::{LookupResult, Match, Prepared};
use crate::domain::{
    Candidate, Candidates, Contact, Effect, Failure, FailureKind, Retryable, Text, Timestamp, Warning,
    WarningCode,
};
use crate::gateway::credentials::ConnectedCredential;

/// A contact without a tag, because it was not read by its id.
pub(super) fn view(opened: &ConnectedCredential, contact: Contact, warnings: Vec<Warning>) -> ContactView {
    let warnings = Warning::bounded(warnings);
    ContactView { id: ids::make(&opened.id, &contact.remote_id), contact, warnings, outcome: None, tag: None }
}

/// The matches as candidates; `more` others matched.
pub(super) fn candidates(opened: &ConnectedCredential, matches: &[Match], more: usize) -> Candidates {
    let candidate = |found: &Match| Candidate {
        id: Some(ids::make(&opened.id, &found.contact.remote_id)),
        remote_id: found.contact.remote_id.clone(),
        matched_on: found.matched_by.iter().map(|kind| Text::from_static(kind.word())).collect(),
    };
    matches.iter().map(candidate).collect::<Candidates>().omitting(more)
}

pub(super) fn exists(opened: &ConnectedCredential, found: &LookupResult) -> Failure {
    let detail = format!(
        "{} already has a contact with the same {}. Nothing was sent. Update that contact instead (see `candidates`).",
        opened.spec.name,
        opened.spec.create_identity().word(),
    );
    Failure::new(FailureKind::ContactExists, detail).with_candidates(candidates(
        opened,
        &found.matches,
        found.more,
    ))
}

/// Contacts that were seen before a write and may be duplicates of the written one.
pub(super) fn possible_duplicates(opened: &ConnectedCredential, seen: &[&Match]) -> Option<Warning> {
    let first = seen.first()?;
    let names: Vec<String> = seen
        .iter()
        .take(MOST_NAMED)
        .map(|other| {
            let remote_id = &other.contact.remote_id;
            format!("{} (remoteId {remote_id})", ids::make(&opened.id, remote_id).as_str())
        })
        .collect();
    let more = seen.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message =
        format!("Possible duplicates: {}{more}. Compare them in {}.", names.join(", "), opened.spec.name);
    let pointer = first.matched_by.first().map_or_else(String::new, |kind| kind.pointer());
    Some(Warning::new(WarningCode::PossibleDuplicate, pointer, message))
}

/// How many contacts a warning names.
const MOST_NAMED: usize = 10;

/// The failure of a call before the write: nothing was sent.
pub(super) fn unsent(failure: Failure) -> Failure {
    failure.with_effect(Effect::None)
}

/// The CRM's contacts do not show whether the create was applied.
pub(super) fn ambiguous(opened: &ConnectedCredential, candidates: Candidates) -> Failure {
    let crm = opened.spec.name;
    let detail = if candidates.is_empty() {
        let searched: Vec<&str> = opened.spec.identities.iter().map(|kind| kind.noun()).collect();
        format!(
            "The create was sent to {crm} and its response was lost. It has no {} to search by. Check in {crm} before you send it again with a new key.",
            searched.join(" or ")
        )
    } else {
        format!(
            "The create was sent to {crm} and its response was lost. It may have created a contact in `candidates`. Check them before you send it again with a new key."
        )
    };
    opened
        .failure(FailureKind::OutcomeAmbiguous, detail)
        .with_effect(Effect::Unknown)
        .with_candidates(candidates)
}

/// The credential leads to another account than when the write was sent.
pub(super) fn moved(opened: &ConnectedCredential) -> Failure {
    let crm = opened.spec.name;
    let detail = format!(
        "This write may have been sent to {crm} before the credential's base URL or secret changed. The credential may now belong to another account. Nothing was sent. Check the earlier account, or restore the credential and retry. To write to the current account, use a new key."
    );
    opened.failure(FailureKind::OutcomeAmbiguous, detail).with_effect(Effect::Unknown)
}

/// Both sends of a create were lost and proven absent. A third send would not help.
pub(super) fn sent_twice(opened: &ConnectedCredential) -> Failure {
    let crm = opened.spec.name;
    let detail = format!(
        "The create was sent to {crm} twice. Both responses were lost, and {crm} shows no such contact. Find the cause in {crm}, then send the create with a new key."
    );
    opened.failure(FailureKind::OutcomeAmbiguous, detail).with_effect(Effect::Unknown)
}

/// A warning if the contact's times show that another writer created it first.
pub(super) fn updated_existing(
    opened: &ConnectedCredential,
    looked_at: Option<Timestamp>,
    contact: &Contact,
) -> Option<Warning> {
    let (created, updated) = (contact.remote_created_at?, contact.remote_updated_at?);
    let before = |date: Timestamp| created.as_second() < date.as_second();
    let other = opened.spec.create_upserts && (looked_at.is_some_and(before) || created != updated);
    other.then(|| {
        let message = format!(
            "Another client may have created this contact at the same time, so {} may have updated it instead of creating one. Check the contact with remoteId {}.",
            opened.spec.name, contact.remote_id
        );
        Warning::new(WarningCode::MayHaveUpdatedExisting, "/remoteId", message)
    })
}

/// The CRM confirmed a change of a contact that it no longer shows.
pub(super) fn gone(opened: &ConnectedCredential) -> Failure {
    let detail = format!(
        "{} confirmed the change but no longer shows the contact. It may have been deleted.",
        opened.spec.name
    );
    opened.failure(FailureKind::UpstreamDidNotApply, detail).with_effect(Effect::Final)
}

/// It is unknown whether the contact exists. The text names the field to search by, not its value.
pub(super) fn outcome_unknown(
    opened: &ConnectedCredential,
    prepared: &Prepared,
    failure: &Failure,
) -> Failure {
    // The kinds are in the order of the CRM's declaration.
    let by = prepared.locator.identity.0.first().map_or("name", |identity| identity.kind.word());
    let reason = reason(failure);
    let crm = opened.spec.name;
    let detail = format!(
        "The create was sent to {crm} and its outcome is unknown: {reason}. Search for the contact by its {by}, in a list or in {crm}, before you send it again.",
    );
    let status = failure.upstream.and_then(|upstream| upstream.status);
    Failure::new(FailureKind::OutcomeUnknown, detail)
        .with_effect(Effect::Unknown)
        .with_upstream(opened.spec.provider, status)
}

fn reason(failure: &Failure) -> &'static str {
    match failure.kind {
        FailureKind::UpstreamTimeout => "its response did not arrive in time",
        FailureKind::UpstreamUnreachable => "the connection broke before the response",
        FailureKind::UpstreamError => "it returned a server error",
        _ => "its response does not show the contact, and a lookup did not find it",
    }
}

/// The same for a write with a key, where the gateway searches itself. `unseen` says why it could not.
pub(super) fn outcome_open(
    opened: &ConnectedCredential,
    lost: &Failure,
    unseen: Option<&Failure>,
) -> Failure {
    let crm = opened.spec.name;
    let reason = match unseen {
        Some(unseen) => {
            format!("the lookup failed ({}: {})", unseen.kind.code(), unseen.detail.as_str())
        }
        None => format!("{}, and the contact does not appear yet", reason(lost)),
    };
    let detail = format!(
        "The create was sent to {crm} and its outcome is not known yet: {reason}. Retry the same request with the same Idempotency-Key: the gateway then searches for the contact and does not create it twice."
    );
    let status =
        unseen.or(Some(lost)).and_then(|failure| failure.upstream).and_then(|upstream| upstream.status);
    Failure::new(FailureKind::OutcomeUnknown, detail)
        .with_effect(Effect::Unknown)
        .with_retryable(Retryable::SameKeyOnly)
        .with_upstream(opened.spec.provider, status)
}

/// The CRM reports contacts and returns none. An empty page would hide them.
pub(super) fn shows_nothing() -> Failure {
    let detail = "The CRM reports contacts but returns none, so the page cannot be read.";
    Failure::new(FailureKind::UpstreamInvalidResponse, detail)
}

/// The same rows came again, so that a list cannot be read.
pub(super) fn repeats() -> Failure {
    Failure::new(
        FailureKind::UpstreamInvalidResponse,
        "The CRM returns the same rows repeatedly, so the page cannot be read.",
    )
}
