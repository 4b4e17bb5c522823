//! `GET /crm/contacts/count`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::CountParameters;
use crate::api::answer;
use crate::api::extract::{ContactsReader, Context, Query};
use crate::api::openapi::problems::CountProblems;
use crate::api::schema::CountAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Count contacts
///
/// How many contacts match all filters. Where the CRM does not tell, the gateway reads at most 25 pages of its list, and
/// answers 422 `scan_limit_reached` if there are more. Needs `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/count", operation_id = "countContacts", tag = "contacts",
    params(CountParameters),
    responses((status = 200, description = "How many.", body = CountAnswer), CountProblems))]
pub(in crate::api) async fn count(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    Context(context): Context,
    Query(asked): Query<CountParameters>,
) -> Result<Response> {
    let count = gateway.contacts.count(&context, &caller, &asked.credential, &asked.query).await?;
    answer::ok(&CountAnswer { count })
}
