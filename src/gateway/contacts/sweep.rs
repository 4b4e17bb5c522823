//! Looks in the background for lost creates, so that a replay finds them settled; never sends.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::create::{Absent, absent};
use super::outcome::created_otherwise;
use super::settle::{Look, look};
use super::write::House;
use super::{compare, declared};
use crate::domain::{CallContext, CredentialId, Result, TenantId, Text};
use crate::gateway::idempotency::{Attempt, Evidence, Past, Unsettled};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);
/// The longest pause between looks at the same create: a CRM that is away for hours is not asked all the time.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// When a create is looked at again, and how long the pause before that is.
struct Next {
    at: Instant,
    pause: Duration,
}

/// Creates that wait to be looked at again, by the rows of their keys.
type Waiting = HashMap<Text, Next>;

/// Looks again and again, each create after longer pauses.
pub(super) async fn run(house: &House) {
    let mut waiting = Waiting::new();
    loop {
        sleep(house.settle).await;
        if let Err(failure) = round(house, &mut waiting).await {
            tracing::warn!(code = failure.kind.code(), "lost creates could not be read; tried again");
        }
    }
}

/// One look at each create that is due. They go side by side: one CRM that hangs must not keep the others waiting.
async fn round(house: &House, waiting: &mut Waiting) -> Result<()> {
    let now = Instant::now();
    let due = |row: &Text| waiting.get(row).is_none_or(|next| next.at <= now);
    let looks = house.ledger.unsettled(due).await?.into_iter().map(async |unsettled| {
        let Unsettled { row, tenant, credential, mut attempt } = unsettled;
        let looked = one(house, (&tenant, &credential), &mut attempt).await;
        attempt.leave().await;
        (row, looked)
    });
    for (row, looked) in join_all(looks).await {
        if let Ok(true) = looked {
            waiting.remove(&row);
            continue;
        }
        let pause = waiting.get(&row).map_or(house.settle, |next| (next.pause * 2).min(LONGEST_PAUSE));
        waiting.insert(row, Next { at: Instant::now() + pause, pause });
    }
    waiting.retain(|_, next| now.saturating_duration_since(next.at) < LONGEST_PAUSE);
    Ok(())
}

/// One look; whether the create is settled by it.
async fn one(
    house: &House,
    (tenant, credential): (&TenantId, &CredentialId),
    attempt: &mut Attempt,
) -> Result<bool> {
    let Some(evidence) = attempt.evidence().cloned() else { return Ok(true) };
    let Some(opened) = house.credentials.open_unasked(tenant, credential).await? else { return Ok(true) };
    let context = CallContext::within(LOOK, Text::from_static("settle")).in_bulk();
    let _place = opened.account.enter(&context).await?;
    let prepared = opened.adapter.prepare_create(&context, &evidence.draft).await?;
    match look(&context, &opened, &prepared, &evidence).await {
        Look::Ours(contact) => {
            let mut warnings = declared::of_draft(opened.spec, &evidence.draft)?;
            warnings.extend(prepared.losses.iter().cloned());
            let differences = compare::differences(opened.spec, &prepared.expected, &contact);
            warnings.extend(differences.iter().map(created_otherwise));
            attempt.note(Past::Found { remote_id: contact.remote_id, warnings }).await?;
            Ok(true)
        }
        Look::Others(candidates) => {
            attempt.note(Past::Ambiguous { candidates }).await?;
            Ok(true)
        }
        Look::Nobody => match absent(&evidence, house.settle) {
            Absent::Proven => attempt.note(Past::Absent).await.map(|()| true),
            Absent::Since(first) => {
                let evidence = Evidence { absent_since: Some(first), ..evidence };
                attempt.update_evidence(evidence).await.map(|()| false)
            }
        },
        Look::Unclear(failure) => Err(failure),
    }
}
