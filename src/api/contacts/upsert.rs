//! `POST /crm/contacts/upsert`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::UpsertParameters;
use super::rendered;
use crate::api::answer;
use crate::api::extract::{ContactsWriter, Context, IdempotencyKey, IdempotentJson, Query, Unconditional};
use crate::api::openapi::problems::UpsertProblems;
use crate::api::schema::UpsertAnswer;
use crate::domain::{ContactUpsert, Result};
use crate::gateway::Gateway;
use crate::gateway::contacts::WriteRequest;

/// Create or change a contact
///
/// Looks for the person by `matchOn`, changes the one who is found, or creates one. Without `matchOn` people are told
/// apart as the CRM does it, because households share the rest. Several who match, or without `matchOn` one whose first and last name both differ, are 409 `ambiguous_match`
/// with the candidates; so is somebody whose number has only the national digits of a `matchOn` phone number. Others who
/// may be the same person are named by the warning `possible_duplicate`. A change sets what the body names: a list replaces the whole list, `null`, a
/// blank text or an empty list clears, what is absent stays. In a contact that is created, all of these are absent. Needs `contacts:write`.
#[utoipa::path(post, path = "/crm/contacts/upsert", operation_id = "upsertContact", tag = "contacts",
    params(UpsertParameters, IdempotencyKey), request_body = ContactUpsert,
    responses(
        (status = 200, description = "Created or changed.", body = UpsertAnswer,
            headers(("Location" = String, description = "Where to read the contact."))),
        UpsertProblems))]
pub(in crate::api) async fn upsert(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    Context(context): Context,
    _: Unconditional,
    Query(asked): Query<UpsertParameters>,
    written: IdempotentJson<ContactUpsert>,
) -> Result<Response> {
    let UpsertParameters { credential, options, match_on } = asked;
    let IdempotentJson { body, once, keyed } = written;
    let render = rendered::upserted(&credential, keyed);
    let request = WriteRequest { context, caller, credential, options, condition: None, once, render };
    gateway.contacts.upsert(request, body, match_on).await.map(answer::respond)
}
