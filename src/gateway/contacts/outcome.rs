//! What a write is answered with: the contact and its warnings, or what is not known and who stands in the way.

use super::compare::{Difference, Verdict};
use super::{Shown, ids};
use crate::adapters::{Applied, Identity, IdentityKind, Match, Prepared};
use crate::domain::{
    Candidate, Contact, ContactPatch, Effect, Failure, FailureKind, Patch, RemoteFields, Retryable, Text,
    Timestamp, Warning, WarningCode,
};
use crate::gateway::credentials::Opened;

pub(super) fn shown(opened: &Opened, contact: Contact, warnings: Vec<Warning>) -> Shown {
    Shown { id: ids::make(&opened.id, &contact.remote_id), contact, warnings, outcome: None }
}

pub(super) fn candidates(opened: &Opened, matches: &[Match]) -> Vec<Candidate> {
    let candidate = |found: &Match| Candidate {
        id: Some(ids::make(&opened.id, &found.contact.remote_id)),
        remote_id: found.contact.remote_id.clone(),
        matched_on: found.on.iter().map(|kind| kind.word()).collect(),
    };
    matches.iter().map(candidate).collect()
}

pub(super) fn exists(opened: &Opened, matches: &[Match]) -> Failure {
    let detail = format!(
        "{} has a contact with the same {} already, and nothing was sent. Change that contact instead; `candidates` names it.",
        opened.spec.title,
        opened.spec.create_identity.word(),
    );
    Failure::new(FailureKind::ContactExists, detail).with_candidates(candidates(opened, matches))
}

/// The same failure, of a call before the write: nothing was sent that could have done anything.
pub(super) fn unsent(failure: Failure) -> Failure {
    failure.with_effect(Effect::None)
}

pub(super) fn not_ours(opened: &Opened, prepared: &Prepared, contact: &Contact) -> Failure {
    let failure = Failure::new(FailureKind::ContactNotFound, "");
    outcome_unknown(opened, prepared, &failure).with_candidates(candidates(
        opened,
        &[Match { contact: contact.clone(), on: vec![opened.spec.create_identity] }],
    ))
}

/// Whether the create was applied cannot be told from what the CRM shows.
pub(super) fn ambiguous(opened: &Opened, candidates: Vec<Candidate>) -> Failure {
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

/// Both sends of a create were lost and proven absent: a third would be no wiser.
pub(super) fn sent_twice(opened: &Opened) -> Failure {
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
    opened: &Opened,
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

pub(super) fn created_otherwise(difference: &Difference) -> Warning {
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

pub(super) fn did_not_apply(opened: &Opened, wrong: &[Difference]) -> Failure {
    let names: Vec<&str> = wrong.iter().map(|difference| difference.pointer.as_str()).collect();
    let detail =
        format!("{} accepted the change but does not hold it: {}.", opened.spec.title, names.join(", "));
    Failure::new(FailureKind::UpstreamDidNotApply, detail)
        .with_faults(wrong.iter().map(Difference::fault).collect())
        .with_effect(Effect::Final)
        .with_upstream(opened.spec.provider, None)
}

/// The CRM confirmed a change of a contact that it does not show any more.
pub(super) fn gone(opened: &Opened) -> Failure {
    let detail = format!(
        "{} confirmed the change and does not show the contact any more; somebody may have removed it.",
        opened.spec.title
    );
    Failure::new(FailureKind::UpstreamDidNotApply, detail)
        .with_effect(Effect::Final)
        .with_upstream(opened.spec.provider, None)
}

/// Whether the contact exists is not known. The detail names the field to look by, never its value.
pub(super) fn outcome_unknown(opened: &Opened, prepared: &Prepared, failure: &Failure) -> Failure {
    let Identity { emails, phones } = &prepared.trail.identity;
    let by = match opened.spec.create_identity {
        IdentityKind::PhoneNumber if !phones.is_empty() => "phoneNumber",
        _ if !emails.is_empty() => "emailAddress",
        _ if !phones.is_empty() => "phoneNumber",
        _ => "name",
    };
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
pub(super) fn outcome_open(opened: &Opened, lost: &Failure, unseen: Option<&Failure>) -> Failure {
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

/// The CRM confirmed the write, and reading it back failed.
pub(super) fn not_verified(done: &str, failure: &Failure) -> Warning {
    let message = format!(
        "The CRM confirmed that the contact was {done}, but reading it back failed ({}).",
        failure.kind.code()
    );
    Warning::new(WarningCode::NotVerified, "", message)
}

/// What was held, with what was asked for over it.
pub(super) fn changed(held: Contact, expected: &ContactPatch) -> Contact {
    let text = |patch: &Patch<Text>, held: Option<Text>| match patch {
        Patch::Keep => held,
        Patch::Clear => None,
        Patch::Set(text) => Some(text.clone()),
    };
    Contact {
        first_name: text(&expected.first_name, held.first_name),
        last_name: text(&expected.last_name, held.last_name),
        account: text(&expected.account, held.account),
        email_addresses: listed(&expected.email_addresses, held.email_addresses),
        phone_numbers: listed(&expected.phone_numbers, held.phone_numbers),
        remote_fields: overlaid(held.remote_fields, &expected.remote_fields),
        ..held
    }
}

/// Custom fields are written otherwise than they read, so that what was held of them stays to be read again.
fn overlaid(held: RemoteFields, expected: &RemoteFields) -> RemoteFields {
    let mut all = held;
    for (name, value) in expected.0.iter().filter(|(name, _)| *name != "customFields") {
        match all.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, now)) => *now = value.clone(),
            None => all.0.push((name.clone(), value.clone())),
        }
    }
    all
}

fn listed<T: Clone>(patch: &Patch<Vec<T>>, held: Vec<T>) -> Vec<T> {
    match patch {
        Patch::Keep => held,
        Patch::Clear => Vec::new(),
        Patch::Set(list) => list.clone(),
    }
}

/// The contact as the CRM's answer shows it, else as it should be; `None` where not even its id is known.
pub(super) fn unverified(expected: &ContactPatch, applied: Applied) -> Option<Contact> {
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
    made.remote_fields = overlaid(made.remote_fields, &expected.remote_fields);
    Some(made)
}
