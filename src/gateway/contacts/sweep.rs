//! Looks in the background for lost creates, so that a replay finds them settled; never sends.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::outcome::{created_otherwise, updated_existing};
use super::settle::{Absent, Look, absent, look};
use super::write::House;
use super::{compare, declared};
use crate::adapters::Prepared;
use crate::domain::{CallContext, Contact, Result, Text, Timestamp, Warning};
use crate::gateway::credentials::Opened;
use crate::gateway::idempotency::{Attempt, Evidence, Past, Unsettled};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(10);
/// The longest pause between looks at the same create: a CRM that is away for hours is not asked all the time.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Looks again and again, each create after longer pauses.
pub(super) async fn run(house: &House) {
    loop {
        sleep(house.settle).await;
        if let Err(failure) = round(house).await {
            tracing::warn!(code = failure.kind.code(), "lost creates could not be read; tried again");
        }
    }
}

/// One look at each of a few that are due. They go side by side: one CRM that hangs must not keep the others waiting.
async fn round(house: &House) -> Result<()> {
    let looks = house.ledger.unsettled().await?.into_iter().map(|unsettled| one(house, unsettled));
    join_all(looks).await;
    Ok(())
}

async fn one(house: &House, unsettled: Unsettled) {
    let Unsettled { tenant, credential, mut attempt } = unsettled;
    match house.credentials.open_unasked(&tenant, &credential).await {
        Ok(Some(opened)) => {
            if let Err(failure) = look_for(&opened, &mut attempt).await {
                tracing::info!(code = failure.kind.code(), "a look for a lost create told nothing");
            }
        }
        // Nobody can ask for the answer any more: what was sent need not be kept.
        Ok(None) => {
            let _ = attempt.release().await;
            return;
        }
        Err(failure) => {
            tracing::warn!(code = failure.kind.code(), "a credential with a lost create could not be opened");
        }
    }
    // By its age, so that it is looked at ever more rarely.
    let age = Timestamp::now().duration_since(attempt.first_used());
    let pause =
        Duration::try_from(age).unwrap_or_default().clamp(house.settle, LONGEST_PAUSE.max(house.settle));
    attempt.leave_for(pause).await;
}

/// One look, and what it shows noted.
async fn look_for(opened: &Opened, attempt: &mut Attempt) -> Result<()> {
    let Some(evidence) = attempt.evidence().cloned() else { return Ok(()) };
    let context = CallContext::within(LOOK, Text::from_static("settle")).in_bulk();
    let _place = opened.account.enter(&context).await?;
    let prepared = opened.adapter.prepare_create(&context, &evidence.draft).await?;
    match look(&context, opened, &prepared, &evidence).await {
        Look::Ours(contact) => {
            let warnings = warnings(opened, &prepared, &evidence, &contact)?;
            attempt.note(Past::Found { remote_id: contact.remote_id, warnings }).await
        }
        Look::Others(candidates) => attempt.note(Past::Ambiguous { candidates }).await,
        // The database waits a settle time at least between two looks, by its own clock.
        Look::Nobody => match absent(&evidence, evidence.absent_since.is_some()) {
            Absent::Proven => attempt.note(Past::Absent).await,
            Absent::Since(first) => {
                attempt.update_evidence(Evidence { absent_since: Some(first), ..evidence }).await
            }
        },
        Look::Unclear(failure) => Err(failure),
    }
}

/// What the answer of the create would have said.
fn warnings(
    opened: &Opened,
    prepared: &Prepared,
    evidence: &Evidence,
    contact: &Contact,
) -> Result<Vec<Warning>> {
    let mut warnings = declared::of_draft(opened.spec, &evidence.draft)?;
    warnings.extend(prepared.losses.iter().cloned());
    warnings.extend(updated_existing(opened, evidence.looked_at, contact));
    let differences = compare::differences(opened.spec, &prepared.expected, contact);
    warnings.extend(differences.iter().map(created_otherwise));
    Ok(warnings)
}
