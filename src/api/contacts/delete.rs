//! `DELETE /crm/contacts/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::DeleteParameters;
use super::rendered;
use crate::api::extract::{ContactPath, ContactsWriter, Context, IdempotencyKey, IfMatch, Query};
use crate::api::openapi::problems::DeleteProblems;
use crate::api::response;
use crate::api::schema::DeleteResponse;
use crate::domain::Result;
use crate::gateway::Gateway;
use crate::gateway::contacts::{WriteOptions, WriteRequest};

/// Delete a contact
///
/// Deletes the contact in the CRM, if the CRM supports it and the credential's settings allow it. With `If-Match`, the contact
/// is deleted only if it has not changed since you read it. Requires the scope `contacts:write`.
#[utoipa::path(delete, path = "/crm/contacts/{id}", operation_id = "deleteContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`.", example = "SLAqyjLpZQqytedKG"), DeleteParameters, IfMatch, IdempotencyKey),
    responses((status = 200, description = "Deleted.", body = DeleteResponse), DeleteProblems))]
pub(in crate::api) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    ContactPath(id): ContactPath,
    Context(context): Context,
    IfMatch(condition): IfMatch,
    Query(asked): Query<DeleteParameters>,
    keyed: IdempotencyKey,
) -> Result<Response> {
    let DeleteParameters { credential, is_dry_run } = asked;
    let dry_run = is_dry_run.then(rendered::planned);
    let (identity, options) = (keyed.identity(""), WriteOptions::default());
    let render = rendered::deleted(keyed);
    let request = WriteRequest { context, caller, credential, options, condition, identity, render, dry_run };
    gateway.contacts.delete(request, &id).await.map(response::respond)
}
