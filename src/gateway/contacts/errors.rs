//! What a write is answered with: the contact and its warnings, or what is not known and who stands in the way.

use super::{ContactView, ids};
use crate::adapters::{LookupResult, Match, Prepared};
use crate::domain::{
    Candidate, Candidates, Contact, Effect, Failure, FailureKind, Retryable, Timestamp, Warning, WarningCode,
};
use crate::gateway::credentials::ConnectedCredential;

/// A contact that is not all read from the CRM.
pub(super) fn view(opened: &ConnectedCredential, contact: Contact, warnings: Vec<Warning>) -> ContactView {
    let warnings = Warning::bounded(warnings);
    ContactView { id: ids::make(&opened.id, &contact.remote_id), contact, warnings, outcome: None, tag: None }
}

/// The matches as candidates; `more` have matched beside them.
pub(super) fn candidates(opened: &ConnectedCredential, matches: &[Match], more: usize) -> Candidates {
    let candidate = |found: &Match| Candidate {
        id: Some(ids::make(&opened.id, &found.contact.remote_id)),
        remote_id: found.contact.remote_id.clone(),
        matched_on: found.matched_by.iter().map(|kind| kind.word()).collect(),
    };
    matches.iter().map(candidate).collect::<Candidates>().omitting(more)
}

pub(super) fn exists(opened: &ConnectedCredential, found: &LookupResult) -> Failure {
    let detail = format!(
        "{} has a contact with the same {} already, and nothing was sent. Change that contact instead; `candidates` names it.",
        opened.spec.title,
        opened.spec.create_identity().word(),
    );
    Failure::new(FailureKind::ContactExists, detail).with_candidates(candidates(
        opened,
        &found.matches,
        found.more,
    ))
}

/// Contacts that were seen before a write and may be the person who was written.
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
        format!("May be the same person: {}{more}. Compare them in {}.", names.join(", "), opened.spec.title);
    let pointer = first.matched_by.first().map_or_else(String::new, |kind| kind.pointer());
    Some(Warning::new(WarningCode::PossibleDuplicate, pointer, message))
}

/// How many contacts a warning names.
const MOST_NAMED: usize = 10;

/// The same failure, of a call before the write: nothing was sent that could have done anything.
pub(super) fn unsent(failure: Failure) -> Failure {
    failure.with_effect(Effect::None)
}

/// Whether the create was applied cannot be told from what the CRM shows.
pub(super) fn ambiguous(opened: &ConnectedCredential, candidates: Candidates) -> Failure {
    let title = opened.spec.title;
    let detail = if candidates.is_empty() {
        format!(
            "The create was sent to {title} and its answer was lost. It names neither e-mail address nor phone number to look for it by: look in {title} itself before you send it again, with a new key."
        )
    } else {
        format!(
            "The create was sent to {title} and its answer was lost. What {title} shows since is not clearly what was sent: `candidates` names it. Look at it before you send the create again, with a new key."
        )
    };
    Failure::new(FailureKind::OutcomeAmbiguous, detail)
        .with_effect(Effect::Unknown)
        .with_candidates(candidates)
        .with_upstream(opened.spec.provider, None)
}

/// The credential leads elsewhere than when the write was sent.
pub(super) fn moved(opened: &ConnectedCredential) -> Failure {
    let title = opened.spec.title;
    let detail = format!(
        "This write may have been sent to {title} before the credential's base URL or secret changed, and the credential is not known to open the same account now. Nothing was sent. Look in the earlier account, or change the credential back and send the same request again; for the account that the credential opens now, use a new key."
    );
    Failure::new(FailureKind::OutcomeAmbiguous, detail)
        .with_effect(Effect::Unknown)
        .with_upstream(opened.spec.provider, None)
}

/// Both sends of a create were lost and proven absent: a third would be no wiser.
pub(super) fn sent_twice(opened: &ConnectedCredential) -> Failure {
    let title = opened.spec.title;
    let detail = format!(
        "The create was sent to {title} twice, both answers were lost, and {title} shows no such contact. Find out what is wrong there, then send it with a new key."
    );
    Failure::new(FailureKind::OutcomeAmbiguous, detail)
        .with_effect(Effect::Unknown)
        .with_upstream(opened.spec.provider, None)
}

/// Creates that reached the CRM while another writer made the same record show it in their times.
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
            "Another writer seems to have made this contact in between; {} may have changed it instead of creating one. Check the contact with remoteId {}.",
            opened.spec.title, contact.remote_id
        );
        Warning::new(WarningCode::MayHaveUpdatedExisting, "/remoteId", message)
    })
}

/// The CRM confirmed a change of a contact that it does not show any more.
pub(super) fn gone(opened: &ConnectedCredential) -> Failure {
    let detail = format!(
        "{} confirmed the change and does not show the contact any more; somebody may have removed it.",
        opened.spec.title
    );
    Failure::new(FailureKind::UpstreamDidNotApply, detail)
        .with_effect(Effect::Final)
        .with_upstream(opened.spec.provider, None)
}

/// Whether the contact exists is not known. The detail names the field to look by, never its value.
pub(super) fn outcome_unknown(
    opened: &ConnectedCredential,
    prepared: &Prepared,
    failure: &Failure,
) -> Failure {
    // The kinds stand in the order that the CRM declares.
    let by = prepared.locator.identity.0.first().map_or("name", |identity| identity.kind.word());
    let reason = reason(failure);
    let title = opened.spec.title;
    let detail = format!(
        "The create was sent to {title} and its outcome is not known: {reason}. Look for the contact by its {by}, in a list or in {title} itself, before you send it again.",
    );
    let status = failure.upstream.and_then(|upstream| upstream.status);
    Failure::new(FailureKind::OutcomeUnknown, detail)
        .with_effect(Effect::Unknown)
        .with_upstream(opened.spec.provider, status)
}

fn reason(failure: &Failure) -> &'static str {
    match failure.kind {
        FailureKind::UpstreamTimeout => "its answer did not come in time",
        FailureKind::UpstreamUnreachable => "the connection broke before its answer",
        FailureKind::UpstreamError => "it answered an error of its own",
        _ => "its answer does not show the contact, nor could it be found",
    }
}

/// The same under a key: the gateway looks by itself. `unseen` is why it could not.
pub(super) fn outcome_open(
    opened: &ConnectedCredential,
    lost: &Failure,
    unseen: Option<&Failure>,
) -> Failure {
    let title = opened.spec.title;
    let reason = match unseen {
        Some(unseen) => {
            format!("it could not be looked for ({}: {})", unseen.kind.code(), unseen.detail.as_str())
        }
        None => format!("{}, and the contact is not to be seen yet", reason(lost)),
    };
    let detail = format!(
        "The create was sent to {title} and its outcome is not known yet: {reason}. Send the same request with the same Idempotency-Key again: the gateway looks for the contact and writes nothing twice."
    );
    let status =
        unseen.or(Some(lost)).and_then(|failure| failure.upstream).and_then(|upstream| upstream.status);
    Failure::new(FailureKind::OutcomeUnknown, detail)
        .with_effect(Effect::Unknown)
        .with_retryable(Retryable::SameKeyOnly)
        .with_upstream(opened.spec.provider, status)
}
