//! The result of a dry run.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::warning::WarningShape;
use super::{Each, Show};
use crate::domain::{RawJson, Warning};
use crate::gateway::contacts::{DryRun, PlannedCall};

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

/// A call to the CRM that was not sent.
#[derive(Serialize, ToSchema)]
#[schema(as = PlannedCall)]
pub(in crate::api) struct PlannedCallShape<'a> {
    /// The HTTP method.
    method: &'a str,
    /// The path and query, behind the credential's `baseUrl`.
    path: &'a str,
    /// The JSON body in the CRM's own format; null if there is none.
    #[schema(value_type = Option<Object>, required = true)]
    body: Option<RawBody<'a>>,
}

/// A body, exactly as it would be sent.
struct RawBody<'a>(&'a RawJson);

impl Serialize for RawBody<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0.as_str()).map_err(serde::ser::Error::custom)?;
        raw.serialize(writer)
    }
}

impl Show for PlannedCall {
    type Shape<'a> = PlannedCallShape<'a>;

    fn show(&self) -> PlannedCallShape<'_> {
        let Self { method, path, body } = self;
        PlannedCallShape { method, path, body: body.as_ref().map(RawBody) }
    }
}
