//! `GET /crm/contacts/fields`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::extract::{ContactsReader, Context, CredentialOnly, Query};
use crate::api::openapi::problems::FieldsProblems;
use crate::api::response;
use crate::api::schema::FieldsResponse;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Describe the fields of an account
///
/// Returns what this credential can read, write and filter: each field of the unified contact, and each field in
/// `remoteFields` with its type and its known values. The knowledge comes from the gateway's declaration of the CRM, from the
/// CRM's own definitions, which are read live and kept for 5 minutes, and from some contacts. A source that cannot be read is
/// a warning, not an error.
///
/// A write is refused only by a definition that was read live. The definition is read again before the refusal. What was only
/// seen in contacts refuses nothing. Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/fields", operation_id = "describeContactFields", tag = "contacts",
    params(CredentialOnly),
    responses((status = 200, description = "The fields.", body = FieldsResponse), FieldsProblems))]
pub(in crate::api) async fn fields(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    Context(context): Context,
    Query(asked): Query<CredentialOnly>,
) -> Result<Response> {
    let described = gateway.contacts.fields(&context, &caller, &asked.credential).await?;
    let (size, body) = (described.size(), FieldsResponse::of(&described));
    response::contacts(&gateway, &caller, &context, size, &body).await
}
