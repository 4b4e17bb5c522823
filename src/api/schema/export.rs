//! The lines of an export.

use serde::Serialize;
use utoipa::ToSchema;

use super::Each;
use super::contact::ContactShape;
use super::warning::WarningShape;
use crate::api::problem::Problem;
use crate::domain::Warning;

/// One line of an export. The last line is `end`; a response without it was cut off.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportLine)]
pub(in crate::api) enum ExportLine<'a> {
    /// A contact. Each contact is in one response once.
    Contact(ContactShape<'a>),
    /// After every 1,000 contacts: send it as `cursor` to go on after the contacts so far.
    Checkpoint(&'a str),
    End(ExportEndShape<'a>),
}

/// The end of an export.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportEnd)]
pub(in crate::api) struct ExportEndShape<'a> {
    /// Whether every contact that existed throughout was returned, in this response or before its `cursor`.
    pub(in crate::api) complete: bool,
    /// The number of contacts in this response.
    pub(in crate::api) count: u64,
    /// If the export was cut off: send it as `cursor` to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(in crate::api) checkpoint: Option<&'a str>,
    /// Why the export was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(in crate::api) problem: Option<Problem<'a>>,
    /// Warnings about the result.
    #[schema(value_type = Vec<WarningShape>)]
    pub(in crate::api) warnings: Each<'a, Warning>,
}
