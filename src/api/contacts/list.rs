//! `GET /crm/contacts`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::parameters::ListParameters;
use crate::api::extract::{ContactsReader, Context, Query};
use crate::api::openapi::problems::ListProblems;
use crate::api::response;
use crate::api::schema::ContactListResponse;
use crate::domain::Result;
use crate::gateway::Gateway;

/// List contacts
///
/// Returns a page of the contacts that match all filters. To read all contacts, start without `pageNumber` and send
/// `pageInfo.nextCursor` as `cursor` until it is null. This walk returns every contact that exists throughout it at least once,
/// also if others are created, edited or deleted meanwhile. A contact that changes meanwhile may appear twice: keep the later one with the same `id`. If
/// the CRM's list cannot be walked like this, the warning `walk_incomplete` says why. A cursor is valid for 24 hours.
///
/// `pageNumber` shows one page of the list as it is now, for people. A walk by page numbers can miss contacts. The header
/// `Link` has the URL of the next page.
///
/// A filter is applied by the CRM or by the gateway, or refused; it is never ignored. Text is compared
/// without case.
///
/// For a filter that the CRM does not apply exactly, the gateway reads at most 25 pages of the CRM's list. At this limit, the
/// page is short and has the warning `scan_limit_reached`. If no contact has matched, the response is 422
/// `scan_limit_reached`. Both have a `nextCursor` that continues after the last row that was read, except for a
/// `pageNumber` above 1. Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts", operation_id = "listContacts", tag = "contacts",
    params(ListParameters),
    responses((status = 200, description = "A page of contacts.", body = ContactListResponse,
        headers(("Link" = String, description = "The URL of the next page, with `rel=\"next\"`, if there is one."))), ListProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    Context(context): Context,
    uri: Uri,
    Query(asked): Query<ListParameters>,
) -> Result<Response> {
    let listed = gateway.contacts.list(&context, &caller, &asked.credential, &asked.request).await?;
    let (size, body) = (listed.size(), ContactListResponse::of(&listed));
    let response = response::contacts(&gateway, &caller, &context, size, &body).await?;
    Ok(match &listed.next_cursor {
        Some(cursor) => response::with_next(response, &uri, cursor),
        None => response,
    })
}
