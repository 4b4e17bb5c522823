//! `GET /crm/contacts/count`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::CountParameters;
use crate::api::extract::{ContactsReader, Context, Query};
use crate::api::openapi::problems::CountProblems;
use crate::api::response;
use crate::api::schema::CountResponse;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Count contacts
///
/// Returns the number of contacts that match all filters. If the CRM does not return it, the gateway reads at most 25 pages
/// of the CRM's list. With more pages, the response is 422 `scan_limit_reached`. Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/count", operation_id = "countContacts", tag = "contacts",
    params(CountParameters),
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
