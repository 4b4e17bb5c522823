//! A create whose answer was lost: looks for it and judges what is found; never sends.

use std::collections::HashSet;

use super::compare::{Finding, Verdict, shows_all};
use super::outcome::candidates;
use super::verify::verified;
use crate::adapters::{Applied, ContactIdentity, Match, Prepared, merge};
use crate::domain::{CallContext, Candidates, Contact, Failure, FailureKind, RemoteId, Timestamp};
use crate::gateway::credentials::ConnectedCredential;
use crate::gateway::idempotency::RecoveryContext;

/// How many seconds the CRM's clock may be behind ours when it says that a contact is new.
const CLOCKS_APART: i64 = 120;

/// What a look showed.
pub(super) enum LookupOutcome {
    /// The contact that the create made.
    Ours(Box<Contact>),
    /// Nobody, and the look was whole.
    Nobody,
    /// Somebody who is not clearly what was sent.
    Others(Candidates),
    /// The CRM could not be asked, or showed only a part.
    Unclear(Failure),
}

/// Looks for what `prepared` may have made, never by name: first by what the CRM tells people apart by, then by what
/// relatives share.
pub(super) async fn look_up_lost(
    context: &CallContext,
    opened: &ConnectedCredential,
    prepared: &Prepared,
    evidence: &RecoveryContext,
) -> LookupOutcome {
    let identity = &prepared.locator.identity;
    let identifying = opened.spec.create_identity;
    for by in [identifying, identifying.other()] {
        match look_by(context, opened, prepared, evidence, &identity.only(by)).await {
            LookupOutcome::Nobody => {}
            seen => return seen,
        }
    }
    // Without address and number there is nothing to look by, and nobody seen proves nothing.
    if identity.is_empty() { LookupOutcome::Others(Candidates::new()) } else { LookupOutcome::Nobody }
}

async fn look_by(
    context: &CallContext,
    opened: &ConnectedCredential,
    prepared: &Prepared,
    evidence: &RecoveryContext,
    identity: &ContactIdentity,
) -> LookupOutcome {
    let found = match opened.adapter.find_contacts(context, identity).await {
        Ok(found) => found,
        Err(failure) => return LookupOutcome::Unclear(failure),
    };
    let seen: HashSet<&RemoteId> = evidence.seen.iter().collect();
    let new = |found: &Match| !seen.contains(&found.contact.remote_id);
    let mut left = found.matches;
    left.retain(|found| new(found) && counts(opened, evidence, found));
    // A number that was sent without a country code may be held with one.
    let near = found.near.into_iter().filter(|near| new(near) && is_new(evidence, &near.contact));
    left.extend(near);
    match <[Match; 1]>::try_from(left) {
        Ok([only]) => {
            let contact = completed(context, opened, prepared, only.contact.clone()).await;
            if is_ours(context, opened, prepared, &contact, evidence.sent_at).await {
                LookupOutcome::Ours(Box::new(contact))
            } else {
                LookupOutcome::Others(candidates(opened, &[only], found.more))
            }
        }
        Err(none) if none.is_empty() && found.complete => LookupOutcome::Nobody,
        Err(none) if none.is_empty() => {
            let detail = "The CRM's look-up did not show all contacts.";
            LookupOutcome::Unclear(Failure::new(FailureKind::UpstreamInvalidResponse, detail))
        }
        Err(several) => LookupOutcome::Others(candidates(opened, &several, found.more)),
    }
}

/// Relatives share what a CRM does not tell people apart by: whoever is older than the send and was found by no more than
/// that has nothing to do with it, nor has whoever was seen before the send.
fn counts(opened: &ConnectedCredential, evidence: &RecoveryContext, found: &Match) -> bool {
    let identifying = found.on.contains(&opened.spec.create_identity);
    identifying || is_new(evidence, &found.contact)
}

fn is_new(evidence: &RecoveryContext, contact: &Contact) -> bool {
    contact.remote_created_at.is_none_or(|created| is_recent(created, evidence.sent_at))
}

/// The row of a list, completed by a read by its id where it does not show everything that was sent.
pub(super) async fn completed(
    context: &CallContext,
    opened: &ConnectedCredential,
    prepared: &Prepared,
    row: Contact,
) -> Contact {
    if shows_all(opened.spec, &prepared.expected, &row) {
        return row;
    }
    let applied = Applied { remote_id: Some(row.remote_id.clone()), contact: None };
    match opened.adapter.read_back(context, prepared, &applied).await {
        Ok(read) => merge(row, read),
        Err(_) => row,
    }
}

/// Whether the contact is the one that was sent: it holds that, but for one field at most, and is new. A relative may
/// share the only phone. A field that nothing shows is no evidence either way; without the time of the create all must be
/// seen.
pub(super) async fn is_ours(
    context: &CallContext,
    opened: &ConnectedCredential,
    prepared: &Prepared,
    contact: &Contact,
    sent_at: Timestamp,
) -> bool {
    let findings = verified(context, opened, prepared, None, contact.clone()).await.findings;
    let wrong = findings.iter().filter(|found| found.is_wrong()).count();
    let unseen = |found: &Finding| found.verdict == Verdict::Unseen;
    match contact.remote_created_at {
        Some(created) => wrong <= 1 && is_recent(created, sent_at),
        None => wrong == 0 && !findings.iter().any(unseen),
    }
}

fn is_recent(created: Timestamp, sent_at: Timestamp) -> bool {
    created.as_second() >= sent_at.as_second() - CLOCKS_APART
}
