//! `POST /crm/contacts/upsert`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::UpsertParameters;
use super::rendered;
use crate::api::extract::{ContactsWriter, Context, IdempotencyKey, IdempotentJson, Query, Unconditional};
use crate::api::openapi::problems::UpsertProblems;
use crate::api::response;
use crate::api::schema::UpsertResponse;
use crate::domain::{ContactUpsert, Result};
use crate::gateway::Gateway;
use crate::gateway::contacts::WriteRequest;

/// Create or update a contact
///
/// Searches for the contact by `matchOn`. If one contact matches, it is updated; otherwise one is created. Without `matchOn`,
/// the search uses the field by which the CRM identifies contacts, because households share the other one.
///
/// The response is 409 `ambiguous_match` with the `candidates` if:
///
/// - several contacts match,
/// - a `matchOn` phone number matches only in its national digits,
/// - without `matchOn`, the first and last name of the match both differ.
///
/// The warning `possible_duplicate` names other contacts that may be the same person.
///
/// In an update, a list replaces the whole list; `null`, a blank string or an empty list clears the field; an absent field is
/// unchanged. In a create, `null`, blank strings and empty lists count as absent. Requires the scope `contacts:write`.
#[utoipa::path(post, path = "/crm/contacts/upsert", operation_id = "upsertContact", tag = "contacts",
    params(UpsertParameters, IdempotencyKey), request_body = ContactUpsert,
    responses(
        (status = 200, description = "Created or updated.", body = UpsertResponse,
            headers(("Location" = String, description = "The path of the contact."))),
        UpsertProblems))]
pub(in crate::api) async fn upsert(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    Context(context): Context,
    _: Unconditional,
    Query(asked): Query<UpsertParameters>,
    written: IdempotentJson<ContactUpsert>,
) -> Result<Response> {
    let UpsertParameters { credential, options, is_dry_run, match_on } = asked;
    let IdempotentJson { body, identity, keyed } = written;
    let render = rendered::upserted(&credential, keyed);
    let (dry_run, condition) = (is_dry_run.then(rendered::planned), None);
    let request = WriteRequest { context, caller, credential, options, condition, identity, render, dry_run };
    gateway.contacts.upsert(request, body, match_on).await.map(response::respond)
}
