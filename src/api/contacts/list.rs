//! `GET /crm/contacts`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::ListParameters;
use crate::api::extract::{ContactsReader, Context, Query};
use crate::api::openapi::problems::ListProblems;
use crate::api::response;
use crate::api::schema::ContactListResponse;
use crate::domain::Result;
use crate::gateway::Gateway;

/// List contacts
///
/// Returns a page of the contacts that match all filters. Use `cursor` to read all contacts, and `pageNumber` to show one
/// page to a person. A filter is applied by the CRM or by the gateway, or refused; it is never ignored. Text is compared
/// without case.
///
/// For a filter that the CRM does not apply exactly, the gateway reads at most 25 pages of the CRM's list. At this limit, the
/// page is short and has the warning `scan_limit_reached`. If no contact has matched, the response is 422
/// `scan_limit_reached`. Both have a `nextCursor` that continues after the last row that was read, except for a
/// `pageNumber` above 1. Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts", operation_id = "listContacts", tag = "contacts",
    params(ListParameters),
    responses((status = 200, description = "A page of contacts.", body = ContactListResponse), ListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    Context(context): Context,
    Query(asked): Query<ListParameters>,
) -> Result<Response> {
    let listed = gateway.contacts.list(&context, &caller, &asked.credential, &asked.request).await?;
    let (size, body) = (listed.size(), ContactListResponse::of(&listed));
    response::contacts(&gateway, &caller, &context, size, &body).await
}
