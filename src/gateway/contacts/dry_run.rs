//! Dry runs: a write with all its checks and reads, up to the call that would be sent.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::ContactView;
use super::operation::{WriteDeps, WriteOperation, WriteRequest};
use crate::adapters::Prepared;
use crate::blocking;
use crate::domain::{Failure, RawJson, Result, Warning};
use crate::gateway::writes::StoredResponse;

/// What a write would send.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    /// The calls that write, in order; empty if the CRM already holds what is asked for.
    pub calls: Vec<PlannedCall>,
    /// The warnings that are known before the send.
    pub warnings: Vec<Warning>,
}

/// A call that is not sent.
#[derive(Clone, Debug)]
pub struct PlannedCall {
    pub method: String,
    /// The path and the query, behind the credential's base URL.
    pub path: String,
    pub body: Option<RawJson>,
}

/// Builds the response of a dry run.
pub type DryRunBuilder = Arc<dyn Fn(&DryRun) -> Result<StoredResponse> + Send + Sync>;

impl DryRun {
    /// The plan to send `prepared`.
    pub(super) fn of(prepared: &Prepared, warnings: &[Warning]) -> Result<Self> {
        let call = &prepared.call;
        let planned = PlannedCall {
            method: call.method.as_str().to_owned(),
            path: call.target()?,
            body: call.body.as_deref().map(|body| RawJson::from_validated(body.into())),
        };
        Ok(Self { calls: vec![planned], warnings: Warning::bounded(warnings.to_vec()) })
    }

    fn size(&self) -> usize {
        self.calls.iter().filter_map(|call| call.body.as_ref()).map(|body| body.as_str().len()).sum()
    }
}

impl WriteRequest {
    /// Runs `operate` until it would send. Claims no key and takes no locks: nothing is written that could be written twice.
    /// Fails as the write would, and with `invalid_parameter` if there is a key.
    pub(super) async fn rehearse<F>(
        self,
        deps: &WriteDeps,
        build: &DryRunBuilder,
        operate: F,
    ) -> Result<StoredResponse>
    where
        F: for<'a, 'b> FnOnce(&'b mut WriteOperation<'a>) -> BoxFuture<'b, Result<ContactView>> + Send,
    {
        if self.identity.is_some() {
            let detail = "A dry run writes nothing and stores nothing. Send it without an Idempotency-Key.";
            return Err(Failure::parameter("dryRun", detail));
        }
        let opened = self.authorise(&deps.credentials).await?;
        let mut operation = WriteOperation::new(&self, deps, &opened, None);
        let outcome = operate(&mut operation).await;
        let plan = match (operation.planned.take(), outcome) {
            (Some(plan), _) => plan,
            // Nothing is to be sent: the contact has the values already.
            (None, Ok(view)) => DryRun { calls: Vec::new(), warnings: view.warnings },
            (None, Err(failure)) => return Err(failure),
        };
        blocking::within(&self.context, plan.size(), || build(&plan)).await?
    }
}

/// What ends a dry run where a write is sent. Nobody sees it, because there is a plan.
pub(super) fn stopped() -> Failure {
    Failure::internal("a dry run was about to send")
}
