//! `POST /crm/contacts`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::WriteParameters;
use super::rendered;
use crate::api::answer;
use crate::api::extract::{ContactsWriter, Context, IdempotencyKey, IdempotentJson, Query, Unconditional};
use crate::api::openapi::problems::CreateProblems;
use crate::api::schema::ContactAnswer;
use crate::domain::{ContactDraft, Result};
use crate::gateway::Gateway;
use crate::gateway::contacts::WriteRequest;

/// Create a contact
///
/// Creates a person and never overwrites one: where the CRM knows the person already, the answer is 409
/// `contact_exists` with the candidates. The answer shows what the CRM holds afterwards; what it could not hold is
/// named in `warnings`, or refused with `strict=true`. Needs `contacts:write`.
#[utoipa::path(post, path = "/crm/contacts", operation_id = "createContact", tag = "contacts",
    params(WriteParameters, IdempotencyKey), request_body = ContactDraft,
    responses(
        (status = 200, description = "Created.", body = ContactAnswer,
            headers(("Location" = String, description = "Where to read the contact."))),
        CreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    Context(context): Context,
    _: Unconditional,
    Query(asked): Query<WriteParameters>,
    written: IdempotentJson<ContactDraft>,
) -> Result<Response> {
    let WriteParameters { credential, options } = asked;
    let IdempotentJson { body, once, keyed } = written;
    let render = rendered::created(&credential, keyed);
    let request = WriteRequest { context, caller, credential, options, condition: None, once, render };
    gateway.contacts.create(request, body).await.map(answer::respond)
}
