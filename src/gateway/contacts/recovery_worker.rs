//! Searches for lost creates in the background, so that a replay finds their outcome. Never sends.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::sleep_until;

use super::declared;
use super::errors::updated_existing;
use super::recovery::{LookupOutcome, is_same_account, look_up};
use super::request::WriteDeps;
use super::verify::SentWrite;
use crate::clock;
use crate::domain::{CallContext, Contact, Result, TenantId, Text, Warning};
use crate::gateway::credentials::ConnectedCredential;
use crate::gateway::writes::{InFlightWrite, KEPT, RecoveryContext, WriteState};
use crate::telemetry::series;

/// How long one lookup may take.
const LOOKUP_TIME: Duration = Duration::from_secs(10);
/// The longest pause between lookups for the same create. It limits the calls to a CRM that is down for hours.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// Limits of concurrent lookups: in all, for one tenant, and for one host. The limit of a host is higher than
/// that of a tenant, so that one tenant cannot block a shared host.
const MOST: usize = 64;
const MOST_OF_TENANT: usize = 8;
const MOST_AT_HOST: usize = 16;

/// Searches in rounds, with growing pauses for each create. A round starts lookups without waiting for them: a
/// lookup that hangs only holds its own slot.
pub(super) async fn run(deps: &WriteDeps) {
    let mut under_way = LookupsUnderWay::default();
    loop {
        let next = clock::monotonic() + deps.settle;
        while let Ok(Some(ended)) = tokio::time::timeout_at(next, under_way.tasks.join_next_with_id()).await {
            under_way.owners.remove(&ended.map_or_else(|failed| failed.id(), |(id, ())| id));
        }
        sleep_until(next).await;
        if let Err(failure) = begin(deps, &mut under_way).await {
            tracing::warn!(code = failure.kind.code(), "lost creates could not be read; trying again");
        }
    }
}

/// One round, and its lookups to their end, for tests.
#[cfg(test)]
pub(super) async fn round(deps: &WriteDeps) -> Result<()> {
    let mut under_way = LookupsUnderWay::default();
    begin(deps, &mut under_way).await?;
    while under_way.tasks.join_next().await.is_some() {}
    Ok(())
}

/// The running lookups and their owners. Dropping it aborts them.
#[derive(Default)]
struct LookupsUnderWay {
    tasks: JoinSet<()>,
    owners: HashMap<Id, AccountOwner>,
}

/// The owner of a lookup: tenant and host. Without a host if the credential cannot be opened.
struct AccountOwner {
    tenant: TenantId,
    host: Option<Text>,
}

impl LookupsUnderWay {
    /// Whether the tenant may start one more lookup. The host is only known after the credential was opened.
    fn has_room_for(&self, tenant: &TenantId) -> bool {
        let theirs = self.owners.values().filter(|owner| owner.tenant == *tenant).count();
        self.owners.len() < MOST && theirs < MOST_OF_TENANT
    }

    fn has_room_at(&self, host: Option<&Text>) -> bool {
        let there = self.owners.values().filter(|owner| owner.host.as_ref() == host).count();
        host.is_none() || there < MOST_AT_HOST
    }
}

/// Starts lookups for due creates, one tenant after the other, within the limits.
async fn begin(deps: &WriteDeps, under_way: &mut LookupsUnderWay) -> Result<()> {
    for due in deps.ledger.unsettled().await? {
        if !under_way.has_room_for(&due.tenant) {
            continue;
        }
        let opened = deps.credentials.open_for_recovery(&due.tenant, &due.credential).await;
        let host = opened.as_ref().ok().and_then(Option::as_ref).map(|opened| opened.host.clone());
        if !under_way.has_room_at(host.as_ref()) {
            continue;
        }
        let Some(write) = deps.ledger.take_unsettled(&due).await? else { continue };
        let task = under_way.tasks.spawn(one(due.tenant.clone(), opened, write, deps.settle));
        under_way.owners.insert(task.id(), AccountOwner { tenant: due.tenant, host });
    }
    Ok(())
}

async fn one(
    tenant: TenantId,
    opened: Result<Option<ConnectedCredential>>,
    mut write: InFlightWrite,
    settle: Duration,
) {
    match opened {
        Ok(Some(opened)) => {
            let outcome = search(&tenant, &opened, &mut write).await;
            opened.note(&outcome);
            if let Err(failure) = outcome {
                series::recovery_outcome("inconclusive");
                tracing::info!(code = failure.kind.code(), "a lookup for a lost create was inconclusive");
            }
        }
        // The credential is gone, so the response cannot be requested any more.
        Ok(None) => {
            let _ = write.free_key().await;
            return;
        }
        Err(failure) => {
            tracing::warn!(code = failure.kind.code(), "a credential with a lost create could not be opened");
        }
    }
    // The pause grows with the age of the create.
    let age = clock::now().duration_since(write.first_used());
    let pause = match write.state() {
        // Nothing to search for: only a replay continues it.
        WriteState::Sent => KEPT,
        _ => Duration::try_from(age).unwrap_or_default().clamp(settle, LONGEST_PAUSE.max(settle)),
    };
    write.leave_for(pause).await;
}

/// Runs one lookup and stores its result.
async fn search(tenant: &TenantId, opened: &ConnectedCredential, write: &mut InFlightWrite) -> Result<()> {
    let Some(lost) = write.state().recovery_context().cloned() else { return Ok(()) };
    let context = CallContext::within(LOOKUP_TIME, Text::from_static("recovery")).as_background().of(tenant);
    let _permit = opened.account.enter(&context).await?;
    if let Some(then) = write.destination()
        && !is_same_account(&context, opened, then).await?
    {
        tracing::info!(
            "the credential of a lost create leads to another account; the create is not searched for there"
        );
        return Ok(());
    }
    let prepared = opened.adapter.prepare_create(&context, &lost.draft).await?;
    let began = clock::monotonic();
    let sent = SentWrite { context: &context, opened, prepared: &prepared };
    let outcome = look_up(sent, &lost).await;
    match &outcome {
        LookupOutcome::Ours(_) => series::recovery_outcome("found"),
        LookupOutcome::Others(_) => series::recovery_outcome("ambiguous"),
        LookupOutcome::NotFound => series::recovery_outcome("absent"),
        // Counted with the other failures of the search.
        LookupOutcome::Unclear(_) => {}
    }
    match outcome {
        LookupOutcome::Ours(contact) => {
            let warnings = warnings(sent, &lost, &contact).await?;
            write.note(WriteState::Applied { remote_id: contact.remote_id, warnings }).await
        }
        LookupOutcome::Others(candidates) => write.note(WriteState::Ambiguous { candidates }).await,
        LookupOutcome::NotFound => write.found_nobody(began).await.map(|_| ()),
        LookupOutcome::Unclear(failure) => Err(failure),
    }
}

/// The warnings that the response of the create would have had.
async fn warnings(sent: SentWrite<'_>, lost: &RecoveryContext, contact: &Contact) -> Result<Vec<Warning>> {
    let mut warnings = declared::of_draft(sent.opened.spec, &lost.draft)?;
    warnings.extend(sent.prepared.losses.iter().cloned());
    warnings.extend(updated_existing(sent.opened, lost.looked_at, contact));
    sent.verified(None, contact.clone()).await.warn(&mut warnings);
    Ok(Warning::bounded(warnings))
}
