//! Operations that read contacts.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::Uri;

use super::parameters::{CountParameters, ListParameters, SearchParameters};
use crate::api::extract::{ContactPath, ContactsReader, Context, CredentialOnly, Query};
use crate::api::openapi::problems::{
    CountProblems, FieldsProblems, GetProblems, ListProblems, SearchProblems,
};
use crate::api::problem::ProblemContext;
use crate::api::response;
use crate::api::schema::{
    ContactListResponse, ContactResponse, CountResponse, FieldsResponse, SearchResponse,
};
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
    params(Query<ListParameters>),
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

/// Count contacts
///
/// Returns the number of contacts that match all filters. If the CRM does not return it, the gateway reads at most 25 pages
/// of the CRM's list. With more pages, the response is 422 `scan_limit_reached`. Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/count", operation_id = "countContacts", tag = "contacts",
    params(Query<CountParameters>),
    responses((status = 200, description = "The number of contacts.", body = CountResponse), CountProblems))]
pub(in crate::api) async fn count(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    Context(context): Context,
    Query(asked): Query<CountParameters>,
) -> Result<Response> {
    let count = gateway.contacts.count(&context, &caller, &asked.credential, &asked.query).await?;
    response::ok(&CountResponse { count })
}

/// Search all CRMs
///
/// Asks several credentials at the same time, and returns the contacts by person. Send exactly one of `emailAddress`,
/// `phoneNumber` and `name`. Without `credentialId`, all credentials that the key may use are asked.
///
/// Two contacts are one person if they share an e-mail address or an E.164 phone number, and their first, last or full names
/// are equal. A person is a group of contacts that such pairs connect. A contact without a name belongs to the only person
/// with whom it shares an address or number.
///
/// A CRM that fails or is too slow is an entry of `failures`; the others' contacts are shown. The time for each CRM is the
/// deadline of the request, less up to 500 ms. `complete` is `false` if a CRM failed, or may have more matches: `incomplete`
/// says why. At most 50 contacts of a credential are shown. If no CRM gave a result, the response is 502 `upstream_error` with
/// `failures`.
///
/// A name is compared with the first, the last and the full name, without case. Where the CRM is not known to find all
/// matches itself, the gateway compares up to 25 pages of its list. The contacts are rows of the CRMs' lists: get a contact by
/// its `id` for all its fields. Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/search", operation_id = "searchContacts", tag = "contacts",
    params(Query<SearchParameters>),
    responses((status = 200, description = "The people found.", body = SearchResponse), SearchProblems))]
pub(in crate::api) async fn search(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    Context(context): Context,
    Query(SearchParameters(request)): Query<SearchParameters>,
    occurrence: ProblemContext,
) -> Result<Response> {
    let found = gateway.contacts.search(&context, &caller, &request).await?;
    let (size, body) = (found.size(), SearchResponse::of(&found, &occurrence));
    let smaller = "Name fewer credentials.";
    response::contacts_or(&gateway, &caller, &context, size, &body, smaller).await
}

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
    params(Query<CredentialOnly>),
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

/// Get a contact
///
/// Returns one contact, as completely as the CRM shows it. `warnings` name fields that are incomplete. Send the header `ETag`
/// as `If-Match` when you update or delete the contact. Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/{id}", operation_id = "getContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`.", example = "SLAqyjLpZQqytedKG"), Query<CredentialOnly>),
    responses((status = 200, description = "The contact.", body = ContactResponse), GetProblems))]
pub(in crate::api) async fn get(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    ContactPath(id): ContactPath,
    Context(context): Context,
    Query(asked): Query<CredentialOnly>,
) -> Result<Response> {
    let shown = gateway.contacts.get(&context, &caller, &asked.credential, &id).await;
    let shown = shown.map_err(|failure| ContactPath::explain(&id, failure))?;
    let (size, body) = (shown.contact.size(), ContactResponse::of(&shown));
    let response = response::contacts(&gateway, &caller, &context, size, &body).await?;
    Ok(response::tagged(response, shown.tag.as_deref()))
}
