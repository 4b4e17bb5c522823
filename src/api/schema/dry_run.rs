//! The result of a dry run.

use serde::Serialize;
use utoipa::ToSchema;

use super::warning::WarningShape;
use super::{Each, shape};
use crate::domain::Warning;
use crate::gateway::contacts::{DryRun, PlannedCall};
use crate::json::Raw;

/// What a write would send. Nothing was written.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DryRunAnswer)]
pub(in crate::api) struct DryRunResponse<'a> {
    /// Always `true`.
    dry_run: bool,
    /// The calls that would write, in order, with all that is sent but the secret. Empty if the CRM already holds the requested
    /// values. Lookups and reads are not listed.
    #[schema(value_type = Vec<PlannedCallShape>)]
    calls: Each<'a, PlannedCall>,
    /// The warnings that are known before the write.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

impl<'a> DryRunResponse<'a> {
    /// The response that shows `plan`.
    pub(in crate::api) fn of(plan: &'a DryRun) -> Self {
        let DryRun { calls, warnings } = plan;
        Self { dry_run: true, calls: Each(calls), warnings: Each(warnings) }
    }
}

shape! {
    /// A call to the CRM that was not sent.
    #[schema(as = PlannedCall)]
    pub(in crate::api) struct PlannedCallShape<'a> of PlannedCall { method, path, body } => {
        /// The HTTP method.
        method: &'a str = method,
        /// The path and query, behind the credential's `baseUrl`.
        path: &'a str = path,
        /// The JSON body in the CRM's own format; null if there is none.
        #[schema(value_type = Option<Object>, required = true)]
        body: Option<Raw<'a>> = body.as_ref().map(|body| Raw::from_checked(body.as_str())),
    }
}
