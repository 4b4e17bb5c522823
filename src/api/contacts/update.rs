//! `PATCH` and `PUT /crm/contacts/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::WriteParameters;
use super::rendered;
use crate::api::extract::{
    ContactPath, ContactsWriter, Context, IdempotencyKey, IdempotentJson, IfMatch, Query,
};
use crate::api::openapi::problems::UpdateProblems;
use crate::api::response;
use crate::api::schema::ContactResponse;
use crate::domain::{ContactPatch, Result};
use crate::gateway::Gateway;
use crate::gateway::contacts::WriteRequest;

/// Update a contact
///
/// An absent field is unchanged, `null` clears the field, and a list replaces the whole list. A value that equals the one that
/// the gateway shows is not a change. The response shows the contact as the CRM stored it. The warning `changed_by_upstream`
/// names fields whose value differs from the one sent. If the CRM still holds an old value, the response is 502
/// `upstream_did_not_apply`. Requires the scope `contacts:write`.
///
/// Send `If-Match` so that no change by others is lost:
///
/// 1. Ann and Ben both read the contact; both get `ETag: "A"`.
/// 2. Ann sends her change with `If-Match: "A"`. It is stored; the response has `ETag: "B"`.
/// 3. Ben sends his with `If-Match: "A"`. The response is 412 `contact_changed` with `ETag: "B"`; nothing is sent to the CRM.
/// 4. Ben reads the contact again, applies his change to it, and sends it with `If-Match: "B"`.
///
/// Without `If-Match`, step 3 would overwrite Ann's change. The CRMs do not support conditions. A change that another
/// program makes between the gateway's check and its write, usually well under a second, is still overwritten.
#[utoipa::path(patch, path = "/crm/contacts/{id}", operation_id = "updateContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`.", example = "SLAqyjLpZQqytedKG"), WriteParameters, IfMatch, IdempotencyKey),
    request_body = ContactPatch,
    responses((status = 200, description = "Updated.", body = ContactResponse), UpdateProblems))]
pub(in crate::api) async fn update(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    ContactPath(id): ContactPath,
    Context(context): Context,
    IfMatch(condition): IfMatch,
    Query(asked): Query<WriteParameters>,
    written: IdempotentJson<ContactPatch>,
) -> Result<Response> {
    let WriteParameters { credential, options, is_dry_run } = asked;
    let IdempotentJson { body, identity, keyed } = written;
    let render = rendered::updated(keyed);
    let dry_run = is_dry_run.then(rendered::planned);
    let request = WriteRequest { context, caller, credential, options, condition, identity, render, dry_run };
    gateway.contacts.update(request, &id, body).await.map(response::respond)
}

/// Update a contact (PUT)
///
/// The same as `PATCH`, including partial updates and `If-Match`. It exists for clients of the unified API.
#[utoipa::path(put, path = "/crm/contacts/{id}", operation_id = "putContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`.", example = "SLAqyjLpZQqytedKG"), WriteParameters, IfMatch, IdempotencyKey),
    request_body = ContactPatch,
    responses((status = 200, description = "Updated.", body = ContactResponse), UpdateProblems))]
pub(in crate::api) async fn put(
    gateway: State<Arc<Gateway>>,
    caller: ContactsWriter,
    id: ContactPath,
    context: Context,
    condition: IfMatch,
    asked: Query<WriteParameters>,
    written: IdempotentJson<ContactPatch>,
) -> Result<Response> {
    update(gateway, caller, id, context, condition, asked, written).await
}
