//! Operations that write contacts.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::parameters::{DeleteParameters, UpsertParameters, WriteParameters};
use super::rendered;
use crate::api::extract::{
    ContactPath, ContactsWriter, Context, IdempotencyKey, IdempotentJson, IfMatch, Query, Unconditional,
};
use crate::api::openapi::problems::{CreateProblems, DeleteProblems, UpdateProblems, UpsertProblems};
use crate::api::response;
use crate::api::schema::{ContactResponse, DeleteResponse, UpsertResponse};
use crate::domain::{CallContext, Caller, ContactDraft, ContactPatch, ContactUpsert, Result};
use crate::gateway::Gateway;
use crate::gateway::contacts::{Condition, ResponseBuilder, WriteRequest};
use crate::gateway::writes::RequestIdentity;

impl WriteParameters {
    /// The write that is asked for.
    fn request(
        self,
        context: CallContext,
        caller: Caller,
        condition: Option<Condition>,
        identity: Option<RequestIdentity>,
        render: ResponseBuilder,
    ) -> WriteRequest {
        let Self { credential, options, is_dry_run } = self;
        let dry_run = is_dry_run.then(rendered::planned);
        WriteRequest { context, caller, credential, options, condition, identity, render, dry_run }
    }
}

/// Create a contact
///
/// Creates a contact and never overwrites one. If the CRM already has the contact, the response is 409 `contact_exists`
/// with the `candidates`. The response shows the contact as the CRM stored it. `warnings` name what the CRM could not store;
/// with `strict=true` the request is refused instead. Requires the scope `contacts:write`.
#[utoipa::path(post, path = "/crm/contacts", operation_id = "createContact", tag = "contacts",
    params(Query<WriteParameters>, IdempotencyKey), request_body = ContactDraft,
    responses(
        (status = 200, description = "Created.", body = ContactResponse,
            headers(("Location" = String, description = "The path of the contact."))),
        CreateProblems))]
pub(in crate::api) async fn create(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    Context(context): Context,
    _: Unconditional,
    Query(asked): Query<WriteParameters>,
    written: IdempotentJson<ContactDraft>,
) -> Result<Response> {
    let IdempotentJson { body, identity, keyed } = written;
    let render = rendered::created(&asked.credential, keyed);
    let request = asked.request(context, caller, None, identity, render);
    gateway.contacts.create(request, body).await.map(response::respond)
}

/// Create or update a contact
///
/// Searches for the contact by `matchOn`. If one contact matches, it is updated; otherwise one is created. Without `matchOn`,
/// the search uses the field by which the CRM identifies contacts, because households share the other one.
///
/// The response is 409 `ambiguous_match` with the `candidates` if:
///
/// - several contacts match,
/// - a `matchOn` phone number matches only in its national digits,
/// - without `matchOn`, the first and last name of the match both differ.
///
/// The warning `possible_duplicate` names other contacts that may be the same person.
///
/// In an update, a list replaces the whole list; `null`, a blank string or an empty list clears the field; an absent field is
/// unchanged. In a create, `null`, blank strings and empty lists count as absent. Requires the scope `contacts:write`.
#[utoipa::path(post, path = "/crm/contacts/upsert", operation_id = "upsertContact", tag = "contacts",
    params(Query<UpsertParameters>, IdempotencyKey), request_body = ContactUpsert,
    responses(
        (status = 200, description = "Created or updated.", body = UpsertResponse,
            headers(("Location" = String, description = "The path of the contact."))),
        UpsertProblems))]
pub(in crate::api) async fn upsert(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    Context(context): Context,
    _: Unconditional,
    Query(UpsertParameters { write, match_on }): Query<UpsertParameters>,
    written: IdempotentJson<ContactUpsert>,
) -> Result<Response> {
    let IdempotentJson { body, identity, keyed } = written;
    let render = rendered::upserted(&write.credential, keyed);
    let request = write.request(context, caller, None, identity, render);
    gateway.contacts.upsert(request, body, match_on).await.map(response::respond)
}

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
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`.", example = "SLAqyjLpZQqytedKG"), Query<WriteParameters>, IfMatch, IdempotencyKey),
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
    let IdempotentJson { body, identity, keyed } = written;
    let request = asked.request(context, caller, condition, identity, rendered::updated(keyed));
    gateway.contacts.update(request, &id, body).await.map(response::respond)
}

/// Update a contact (PUT)
///
/// The same as `PATCH`, including partial updates and `If-Match`. It exists for clients of the unified API.
#[utoipa::path(put, path = "/crm/contacts/{id}", operation_id = "putContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`.", example = "SLAqyjLpZQqytedKG"), Query<WriteParameters>, IfMatch, IdempotencyKey),
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

/// Delete a contact
///
/// Deletes the contact in the CRM, if the CRM supports it and the credential's settings allow it. With `If-Match`, the contact
/// is deleted only if it has not changed since you read it. Requires the scope `contacts:write`.
#[utoipa::path(delete, path = "/crm/contacts/{id}", operation_id = "deleteContact", tag = "contacts",
    params(("id" = String, Path, description = "The contact's `id` or `remoteId`.", example = "SLAqyjLpZQqytedKG"), Query<DeleteParameters>, IfMatch, IdempotencyKey),
    responses((status = 200, description = "Deleted.", body = DeleteResponse), DeleteProblems))]
pub(in crate::api) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    ContactsWriter(caller): ContactsWriter,
    ContactPath(id): ContactPath,
    Context(context): Context,
    IfMatch(condition): IfMatch,
    Query(DeleteParameters(asked)): Query<DeleteParameters>,
    keyed: IdempotencyKey,
) -> Result<Response> {
    let identity = keyed.identity("");
    let request = asked.request(context, caller, condition, identity, rendered::deleted(keyed));
    gateway.contacts.delete(request, &id).await.map(response::respond)
}
