//! Dry runs: the call that a write would send after all its checks and reads.

use std::sync::Arc;

use crate::adapters::Prepared;
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

    /// The approximate size of its texts in bytes.
    pub(super) fn size(&self) -> usize {
        self.calls.iter().filter_map(|call| call.body.as_ref()).map(|body| body.as_str().len()).sum()
    }
}

/// What ends a dry run where a write is sent. Nobody sees it, because there is a plan.
pub(super) fn stopped() -> Failure {
    Failure::internal("a dry run was about to send")
}
