//! `PATCH` and `PUT /crm/contacts/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::WriteParameters;
use super::rendered;
use crate::api::answer;
use crate::api::extract::{ContactPath, ContactsWriter, Context, Keyed, Query, Written};
use crate::api::openapi::problems::UpdateProblems;
use crate::api::schema::{ContactAnswer, ContactUpdate};
use crate::domain::{ContactPatch, Result};
use crate::gateway::Gateway;
use crate::gateway::contacts::WriteRequest;

/// Change a contact
///
/// What is absent stays, `null` clears, a list replaces the whole list. The answer shows what the CRM holds
/// afterwards. Needs `contacts:write`.
#[utoipa::path(patch, path = "/crm/contacts/{id}", operation_id = "updateContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`."), WriteParameters, Keyed),
    request_body = ContactUpdate,
    responses((status = 200, description = "Changed.", body = ContactAnswer), UpdateProblems))]
pub(in crate::api) async fn update(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    ContactPath(id): ContactPath,
    Context(context): Context,
    Query(asked): Query<WriteParameters>,
    written: Written<ContactPatch>,
) -> Result<Response> {
    let WriteParameters { credential, options } = asked;
    let Written { body, once, keyed } = written;
    let render = rendered::updated(keyed);
    let request = WriteRequest { context, caller, credential, options, once, render };
    gateway.contacts.update(request, &id, body).await.map(answer::respond)
}

/// Change a contact, older spelling
///
/// The same as `PATCH`: partial, too. Clients of the unified API send it.
#[utoipa::path(put, path = "/crm/contacts/{id}", operation_id = "putContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`."), WriteParameters, Keyed),
    request_body = ContactUpdate,
    responses((status = 200, description = "Changed.", body = ContactAnswer), UpdateProblems))]
pub(in crate::api) async fn put(
    gateway: State<Arc<Gateway>>,
    caller: ContactsWriter,
    id: ContactPath,
    context: Context,
    asked: Query<WriteParameters>,
    written: Written<ContactPatch>,
) -> Result<Response> {
    update(gateway, caller, id, context, asked, written).await
}
