//! `GET /crm/contacts/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::api::answer;
use crate::api::extract::{ContactPath, ContactsReader, Context, CredentialOnly, Query};
use crate::api::openapi::problems::GetProblems;
use crate::api::schema::ContactAnswer;
use crate::domain::Result;
use crate::gateway::Gateway;

/// Get a contact
///
/// One contact, as completely as the CRM tells it; what could be seen only in part is named in `warnings`. The header `ETag`
/// is for `If-Match` on a change or removal. Needs `contacts:read`.
#[utoipa::path(get, path = "/crm/contacts/{id}", operation_id = "getContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`."), CredentialOnly),
    responses((status = 200, description = "The contact.", body = ContactAnswer), GetProblems))]
pub(in crate::api) async fn get(
    State(gateway): State<Arc<Gateway>>,
    ContactsReader(caller): ContactsReader,
    ContactPath(id): ContactPath,
    Context(context): Context,
    Query(asked): Query<CredentialOnly>,
) -> Result<Response> {
    let shown = gateway.contacts.get(&context, &caller, &asked.credential, &id).await?;
    let (size, body) = (shown.contact.size(), ContactAnswer::of(&shown));
    let answer = answer::contacts(&gateway, &caller, &context, size, &body).await?;
    Ok(answer::tagged(answer, shown.tag.as_deref()))
}
