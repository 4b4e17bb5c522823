//! Checks the condition of a write against the contact as it is held.

use super::compare::{Finding, Readings, judge};
use super::condition::tag;
use super::operation::WriteOperation;
use crate::adapters::Prepared;
use crate::blocking;
use crate::domain::{Contact, Failure, FailureKind, Result, Text};

impl WriteOperation<'_> {
    /// Why the write must not be sent: the contact is not as the caller requires it.
    pub(super) async fn unmet(&self, held: &Contact) -> Result<Option<Failure>> {
        let Some(condition) = self.condition else { return Ok(None) };
        let current = blocking::within(self.context, held.size(), || tag(self.opened, held)).await?;
        Ok((!condition.holds(&current)).then(|| changed(current)))
    }

    /// Fails as `unmet` does if a field that this reading shows is not as the write asks for. Otherwise the earlier attempt
    /// may have made the change, and the same values are sent again.
    pub(super) async fn refuse_unless_applied(
        &self,
        prepared: &Prepared,
        held: &Contact,
        unmet: Option<Failure>,
    ) -> Result<()> {
        let Some(unmet) = unmet else { return Ok(()) };
        let (spec, region) = (self.opened.spec, self.opened.adapter.region());
        let readings = Readings { before: None, after: held, both_ways: false };
        let judged = || judge(spec, region, readings, &prepared.expected);
        let findings = blocking::within(self.context, held.size(), judged).await?;
        if !findings.iter().any(Finding::is_wrong) {
            return Ok(());
        }
        let detail = "An earlier request with this Idempotency-Key may have been sent, and the contact is neither as it was when its ETag was read nor as this change asks for. Nothing was sent now. Read the contact again, apply your change to it, and send it with the new ETag and a new key.";
        Err(Failure { detail: detail.into(), ..unmet })
    }

    /// Whether the contact is still as the caller requires it, before a write is sent a second time. True without a
    /// condition. False if the contact cannot be read.
    pub(super) async fn is_still_met(&self, prepared: &Prepared) -> bool {
        let (Some(_), Some(id)) = (self.condition, &prepared.locator.remote_id) else { return true };
        match self.opened.adapter.get_contact(self.context, id).await {
            Ok(contact) => matches!(self.unmet(&contact).await, Ok(None)),
            Err(_) => false,
        }
    }
}

fn changed(current: Text) -> Failure {
    let detail = "The contact is not as it was when its ETag was read; nothing was sent. Read the contact again, apply your change to it, and send it with the new ETag.";
    Failure::new(FailureKind::ContactChanged, detail).with_entity_tag(current)
}
