//! `GET /crm/contacts/export`

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::ExportParameters;
use crate::api::RequestAdmission;
use crate::api::extract::{ContactsReader, Context, Query};
use crate::api::openapi::problems::ExportProblems;
use crate::api::problem::{Problem, ProblemContext};
use crate::api::schema::{ContactShape, Each, WarningShape};
use crate::domain::{Result, Warning};
use crate::gateway::Gateway;
use crate::gateway::contacts::{ContactExport, ExportEnd, ExportPart};
use crate::json::{self, WriteError};

/// Export contacts
///
/// Streams all contacts that match all filters, as one JSON text per line (NDJSON). Every contact that exists throughout the
/// export is returned, each once in a response, also if others are created, edited or deleted meanwhile. After every 1,000
/// contacts there is a line `checkpoint`. The last line is `end`, with `complete`.
///
/// If an export is cut off (no line `end`, or `complete` is false and `end` has a `checkpoint`), send the last checkpoint as
/// `cursor` to go on. Contacts may then be returned again: replace by `id`. An export takes as long as the CRM needs; it has no
/// deadline. A credential can have 2 exports at once, a tenant 4. At most 1,000,000 contacts are returned in one response.
/// Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/export", operation_id = "exportContacts", tag = "contacts",
    params(Query<ExportParameters>),
    responses((status = 200, description = "The contacts, one JSON text per line.", body = ExportLine,
        content_type = "application/x-ndjson"), ExportProblems))]
pub(in crate::api) async fn export(
    State(gateway): State<Arc<Gateway>>,
    State(admission): State<Arc<RequestAdmission>>,
    ContactsReader(caller): ContactsReader,
    Context(context): Context,
    occurrence: ProblemContext,
    Query(asked): Query<ExportParameters>,
) -> Result<Response> {
    let export = gateway.contacts.export(&context, &caller, &asked.credential, asked.request).await?;
    let stream = ExportStream { export, admission, occurrence };
    // A line is made when the connection can take it, so a slow reader does not fill the memory.
    let body = Body::from_stream(stream::unfold(stream, |mut stream| async move {
        let lines = stream.next().await?;
        Some((lines, stream))
    }));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

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
    complete: bool,
    /// The number of contacts in this response.
    count: u64,
    /// If the export was cut off: send it as `cursor` to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checkpoint: Option<&'a str>,
    /// Why the export was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    problem: Option<Problem<'a>>,
    /// Warnings about the result.
    #[schema(value_type = Vec<WarningShape>)]
    warnings: Each<'a, Warning>,
}

struct ExportStream {
    export: ContactExport,
    admission: Arc<RequestAdmission>,
    occurrence: ProblemContext,
}

impl ExportStream {
    /// The next lines; `None` after the end. A stop of the server ends the export.
    async fn next(&mut self) -> Option<std::result::Result<Bytes, WriteError>> {
        let part = match self.admission.refuse_if_closed() {
            Ok(()) => tokio::select! {
                part = self.export.next() => part,
                failure = self.admission.until_closed() => Some(self.export.end_early(failure)),
            },
            Err(_) if self.export.has_ended() => None,
            Err(failure) => Some(self.export.end_early(failure)),
        };
        let lines = self.lines(&part?);
        Some(lines.map(Bytes::from))
    }

    fn lines(&self, part: &ExportPart) -> std::result::Result<Vec<u8>, WriteError> {
        let mut lines = Vec::new();
        let mut add = |line: &ExportLine<'_>| {
            lines.append(&mut json::to_vec(line)?);
            lines.push(b'\n');
            Ok(())
        };
        match part {
            ExportPart::Contacts(contacts) => contacts
                .iter()
                .try_for_each(|(id, contact)| add(&ExportLine::Contact(ContactShape::of(id, contact))))?,
            ExportPart::Checkpoint(cursor) => add(&ExportLine::Checkpoint(cursor))?,
            ExportPart::End(end) => {
                let ExportEnd { is_complete, count, checkpoint, failure, warnings } = &**end;
                let problem = failure.as_ref().map(|one| Problem::of(one, &self.occurrence));
                add(&ExportLine::End(ExportEndShape {
                    complete: *is_complete,
                    count: *count,
                    checkpoint: checkpoint.as_deref(),
                    problem,
                    warnings: Each(warnings),
                }))?;
            }
        }
        Ok(lines)
    }
}
