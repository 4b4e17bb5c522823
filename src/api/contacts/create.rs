//! `POST /crm/contacts`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::WriteParameters;
use super::rendered;
use crate::api::extract::{ContactsWriter, Context, IdempotencyKey, IdempotentJson, Query, Unconditional};
use crate::api::openapi::problems::CreateProblems;
use crate::api::response;
use crate::api::schema::ContactResponse;
use crate::domain::{ContactDraft, Result};
use crate::gateway::Gateway;
use crate::gateway::contacts::WriteRequest;

/// Create a contact
///
/// Creates a contact and never overwrites one. If the CRM already has the contact, the response is 409 `contact_exists`
/// with the `candidates`. The response shows the contact as the CRM stored it. `warnings` name what the CRM could not store;
/// with `strict=true` the request is refused instead. Requires the scope `contacts:write`.
#[utoipa::path(post, path = "/crm/contacts", operation_id = "createContact", tag = "contacts",
    params(WriteParameters, IdempotencyKey), request_body = ContactDraft,
    responses(
        (status = 200, description = "Created.", body = ContactResponse,
            headers(("Location" = String, description = "The path of the contact."))),
        CreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    Context(context): Context,
    _: Unconditional,
    Query(asked): Query<WriteParameters>,
    written: IdempotentJson<ContactDraft>,
) -> Result<Response> {
    let WriteParameters { credential, options, is_dry_run } = asked;
    let IdempotentJson { body, identity, keyed } = written;
    let render = rendered::created(&credential, keyed);
    let (dry_run, condition) = (is_dry_run.then(rendered::planned), None);
    let request = WriteRequest { context, caller, credential, options, condition, identity, render, dry_run };
    gateway.contacts.create(request, body).await.map(response::respond)
}
