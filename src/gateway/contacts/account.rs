//! Whether a credential still leads to the account that a write was sent to.

use super::outcome::{moved, unsent};
use super::write::WriteOperation;
use crate::domain::{CallContext, Result};
use crate::gateway::credentials::ConnectedCredential;
use crate::gateway::idempotency::Destination;

impl WriteOperation<'_> {
    /// A write that may have left for one account is neither looked for nor sent again at another.
    /// Fails with `outcome_ambiguous`, and as a probe does.
    pub(super) async fn refuse_if_moved(&self) -> Result<()> {
        // Rows of earlier versions do not say where they were sent.
        let Some(then) = self.attempt.as_ref().and_then(|attempt| attempt.destination()) else {
            return Ok(());
        };
        if is_same(self.context, self.opened, then).await.map_err(unsent)? {
            return Ok(());
        }
        Err(moved(self.opened))
    }
}

/// Whether `opened` leads to the account of `then`; the CRM is asked only if that may tell. Fails as a probe does.
pub(super) async fn is_same(
    context: &CallContext,
    opened: &ConnectedCredential,
    then: &Destination,
) -> Result<bool> {
    let same = match then.is_same(&opened.destination()) {
        None if then.account_id.is_some() => {
            opened.probe(context).await?;
            then.is_same(&opened.destination())
        }
        same => same,
    };
    Ok(same == Some(true))
}
