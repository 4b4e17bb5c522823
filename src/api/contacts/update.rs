//! `PATCH` and `PUT /crm/contacts/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::WriteParameters;
use crate::api::answer;
use crate::api::extract::{Body, ContactPath, ContactsWriter, Context, NoIdempotencyKey, Query};
use crate::api::openapi::problems::UpdateProblems;
use crate::api::schema::{ContactAnswer, ContactUpdate};
use crate::domain::{ContactPatch, Result};
use crate::gateway::Gateway;

/// Change a contact
///
/// What is absent stays, `null` clears, a list replaces the whole list. The answer shows what the CRM holds
/// afterwards. Needs `contacts:write`.
#[utoipa::path(patch, path = "/crm/contacts/{id}", operation_id = "updateContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`."), WriteParameters),
    request_body = ContactUpdate,
    responses((status = 200, description = "Changed.", body = ContactAnswer), UpdateProblems))]
pub(in crate::api) async fn update(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    ContactPath(id): ContactPath,
    Context(context): Context,
    Query(asked): Query<WriteParameters>,
    _: NoIdempotencyKey,
    Body(patch): Body<ContactPatch>,
) -> Result<Response> {
    let shown =
        gateway.contacts.update(&context, &caller, &asked.credential, &id, patch, asked.options).await?;
    answer::ok(&ContactAnswer::of(&shown))
}

/// Change a contact, older spelling
///
/// The same as `PATCH`: partial, too. Clients of the unified API send it.
#[utoipa::path(put, path = "/crm/contacts/{id}", operation_id = "putContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`."), WriteParameters),
    request_body = ContactUpdate,
    responses((status = 200, description = "Changed.", body = ContactAnswer), UpdateProblems))]
pub(in crate::api) async fn put(
    gateway: State<Arc<Gateway>>,
    caller: ContactsWriter,
    id: ContactPath,
    context: Context,
    asked: Query<WriteParameters>,
    key: NoIdempotencyKey,
    patch: Body<ContactPatch>,
) -> Result<Response> {
    update(gateway, caller, id, context, asked, key, patch).await
}
