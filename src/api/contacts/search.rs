//! `GET /crm/contacts/search`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::SearchParameters;
use crate::api::extract::{ContactsReader, Context, Query};
use crate::api::openapi::problems::SearchProblems;
use crate::api::problem::ProblemContext;
use crate::api::response;
use crate::api::schema::SearchResponse;
use crate::domain::Result;
use crate::gateway::Gateway;

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
    params(SearchParameters),
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
