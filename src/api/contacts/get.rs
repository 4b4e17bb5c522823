//! `GET /crm/contacts/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::extract::{ContactPath, ContactsReader, Context, CredentialOnly, Query};
use crate::api::openapi::problems::GetProblems;
use crate::api::response;
use crate::api::schema::ContactResponse;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Get a contact
///
/// Returns one contact, as completely as the CRM shows it. `warnings` name fields that are incomplete. Send the header `ETag`
/// as `If-Match` when you update or delete the contact. Requires the scope `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/{id}", operation_id = "getContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`.", example = "SLAqyjLpZQqytedKG"), CredentialOnly),
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
