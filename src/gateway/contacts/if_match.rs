//! Checks the condition of a write against the current contact.

use super::compare::{Finding, Readings, judge};
use super::condition::tag;
use super::operation::WriteOperation;
use crate::adapters::Prepared;
use crate::blocking;
use crate::domain::{Contact, Failure, FailureKind, Result, Text};

/// The failure if the contact does not meet the caller's condition.
pub(super) async fn unmet(operation: &WriteOperation<'_>, held: &Contact) -> Result<Option<Failure>> {
    let Some(condition) = operation.condition else { return Ok(None) };
    let current = blocking::within(operation.context, held.size(), || tag(operation.opened, held)).await?;
    Ok((!condition.holds(&current)).then(|| changed(current)))
}

/// Fails with `unmet` if a field that this read shows differs from the write. Otherwise the earlier attempt
/// may have made the change, and the same values are sent again.
pub(super) async fn refuse_unless_applied(
    operation: &WriteOperation<'_>,
    prepared: &Prepared,
    held: &Contact,
    unmet: Option<Failure>,
) -> Result<()> {
    let Some(unmet) = unmet else { return Ok(()) };
    let (spec, region) = (operation.opened.spec, operation.opened.adapter.region());
    let readings = Readings { before: None, after: held, both_ways: false };
    let compared = || judge(spec, region, readings, &prepared.expected);
    let findings = blocking::within(operation.context, held.size(), compared).await?;
    if !findings.iter().any(Finding::is_wrong) {
        return Ok(());
    }
    let detail = "An earlier request with this Idempotency-Key may have been sent. The contact has neither the state of the ETag nor the requested values, so nothing was sent now. Read the contact again, apply your change, and send it with the new ETag and a new key.";
    Err(Failure { detail: detail.into(), ..unmet })
}

/// Whether the condition still holds before a write is sent a second time. True without a condition. False
/// if the contact cannot be read.
pub(super) async fn is_still_met(operation: &WriteOperation<'_>, prepared: &Prepared) -> bool {
    let (Some(_), Some(id)) = (operation.condition, &prepared.locator.remote_id) else { return true };
    match operation.opened.adapter.get_contact(operation.context, id).await {
        Ok(contact) => matches!(unmet(operation, &contact).await, Ok(None)),
        Err(_) => false,
    }
}

fn changed(current: Text) -> Failure {
    let detail = "The contact was changed after its ETag was read. Nothing was sent. Read the contact again, apply your change, and send it with the new ETag.";
    Failure { entity_tag: Some(current), ..Failure::new(FailureKind::ContactChanged, detail) }
}
