//! A create whose answer was lost: looks for it and judges what is found; never sends.

use std::time::Duration;

use super::compare::{Difference, Verdict, differences};
use super::outcome::candidates;
use crate::adapters::{Identity, IdentityKind, Match, Prepared};
use crate::domain::{CallContext, Candidate, Contact, Failure, FailureKind, Timestamp};
use crate::gateway::credentials::Opened;
use crate::gateway::idempotency::Evidence;

/// How many seconds the CRM's clock may be behind ours when it says that a contact is new.
const CLOCKS_APART: i64 = 120;

/// What a look showed.
pub(super) enum Look {
    /// The contact that the create made.
    Ours(Box<Contact>),
    /// Nobody, and the look was whole.
    Nobody,
    /// Somebody who is not clearly what was sent.
    Others(Vec<Candidate>),
    /// The CRM could not be asked, or showed only a part.
    Unclear(Failure),
}

/// Looks for what `prepared` may have made: by e-mail, then by phone, never by name.
pub(super) async fn look(
    context: &CallContext,
    opened: &Opened,
    prepared: &Prepared,
    evidence: &Evidence,
) -> Look {
    let identity = &prepared.trail.identity;
    for by in [IdentityKind::EmailAddress, IdentityKind::PhoneNumber] {
        match look_by(context, opened, prepared, evidence, &identity.only(by)).await {
            Look::Nobody => {}
            seen => return seen,
        }
    }
    // Without address and number there is nothing to look by, and nobody seen proves nothing.
    if identity.is_empty() { Look::Others(Vec::new()) } else { Look::Nobody }
}

async fn look_by(
    context: &CallContext,
    opened: &Opened,
    prepared: &Prepared,
    evidence: &Evidence,
    identity: &Identity,
) -> Look {
    let found = match opened.adapter.find_contacts(context, identity).await {
        Ok(found) => found,
        Err(failure) => return Look::Unclear(failure),
    };
    let left: Vec<Match> =
        found.matches.into_iter().filter(|found| counts(opened, evidence, found)).collect();
    match <[Match; 1]>::try_from(left) {
        Ok([only]) if is_ours(opened, prepared, &only.contact, evidence.sent_at) => {
            Look::Ours(Box::new(only.contact))
        }
        Ok(only) => Look::Others(candidates(opened, &only)),
        Err(none) if none.is_empty() && found.complete => Look::Nobody,
        Err(none) if none.is_empty() => {
            let detail = "The CRM's look-up did not show all contacts.";
            Look::Unclear(Failure::new(FailureKind::UpstreamInvalidResponse, detail))
        }
        Err(several) => Look::Others(candidates(opened, &several)),
    }
}

/// Relatives share what a CRM does not tell people apart by: whoever was seen before the send, or is older than it and
/// was found by no more than that, has nothing to do with it.
fn counts(opened: &Opened, evidence: &Evidence, found: &Match) -> bool {
    let telling = found.on.contains(&opened.spec.create_identity);
    let recent = found.contact.remote_created_at.is_none_or(|created| is_recent(created, evidence.sent_at));
    !evidence.seen.contains(&found.contact.remote_id) && (telling || recent)
}

/// Whether the contact is the one that was sent: it holds that, but for one field at most, and is new. A relative may
/// share the only phone.
pub(super) fn is_ours(opened: &Opened, prepared: &Prepared, contact: &Contact, sent_at: Timestamp) -> bool {
    let differences = differences(opened.spec, &prepared.expected, contact);
    let wrong = differences.iter().filter(|Difference { verdict, .. }| *verdict != Verdict::Unseen).count();
    match contact.remote_created_at {
        Some(created) => wrong <= 1 && is_recent(created, sent_at),
        None => wrong == 0,
    }
}

fn is_recent(created: Timestamp, sent_at: Timestamp) -> bool {
    created.as_second() >= sent_at.as_second() - CLOCKS_APART
}

/// What it means that a look showed nobody.
pub(super) enum Absent {
    /// Nobody twice, a settle time apart, the last time after the create could still be applied.
    Proven,
    /// Nobody since then; too early to be sure.
    Since(Timestamp),
}

/// `again` says that a settle time lies between this look and an earlier one by a clock that both share.
pub(super) fn absent(evidence: &Evidence, again: bool) -> Absent {
    let now = Timestamp::now();
    match evidence.absent_since {
        // Processes tell the time differently: a look long ago counts, one just now by another process does not.
        Some(first) if now >= evidence.settled_from && (again || now >= later(first, CLOCKS_DIFFER)) => {
            Absent::Proven
        }
        first => Absent::Since(first.unwrap_or(now)),
    }
}

/// How far the clocks of two processes on one database may be apart.
const CLOCKS_DIFFER: Duration = Duration::from_mins(2);

pub(super) fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.checked_add(by).unwrap_or(Timestamp::MAX)
}
