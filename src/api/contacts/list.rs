//! `GET /crm/contacts`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::ListParameters;
use crate::api::answer;
use crate::api::extract::{ContactsReader, Context, Query};
use crate::api::openapi::problems::ListProblems;
use crate::api::schema::ContactListAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;

/// List contacts
///
/// One page of the contacts that match all filters. Walk by `cursor` to see every contact; by `pageNumber` to show a
/// page to a person. A filter is answered by the CRM, applied by the gateway, or refused: never ignored. Text is compared
/// without case.
///
/// A filter that the CRM does not answer exactly makes the gateway read the CRM's list, at most 25 pages of it. If that
/// limit is reached, the page is short and has the warning `scan_limit_reached`. If no contact matched so far, the response
/// is 422 `scan_limit_reached`. Both have a `nextCursor` that goes on behind the last row that was read, except for a
/// `pageNumber` above 1. Needs `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts", operation_id = "listContacts", tag = "contacts",
    params(ListParameters),
    responses((status = 200, description = "One page.", body = ContactListAnswer), ListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    Context(context): Context,
    Query(asked): Query<ListParameters>,
) -> Result<Response> {
    let listed = gateway.contacts.list(&context, &caller, &asked.credential, &asked.request).await?;
    let (size, body) = (listed.size(), ContactListAnswer::of(&listed));
    answer::contacts(&gateway, &caller, &context, size, &body).await
}
