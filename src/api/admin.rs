//! Endpoints of the operator: tenants, their API keys, and the audit.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::extract::{
    IdPath, JsonBody, KeyPath, ListingParameters, NoParameters, Operator, Parameters, Query, QueryReader,
    Read,
};
use super::openapi::parameters as documented;
use super::openapi::problems::{
    AuditProblems, KeyCreateProblems, KeyListProblems, KeyProblems, TenantCreateProblems, TenantListProblems,
    TenantProblems,
};
use super::request::TenantDraft;
use super::response;
use super::schema::{
    AuditListing, KeyListing, KeyResponse, TenantListing, TenantResponse, TenantUsageResponse,
};
use crate::domain::{Result, TenantId};
use crate::gateway::audit::{Action, AuditRequest};
use crate::gateway::keys::KeyDraft;
use crate::gateway::{Gateway, ListingRequest};

/// Create a tenant
///
/// A tenant owns credentials and API keys. Its name must be unique, and must not begin with `ten_`, the prefix of ids.
#[utoipa::path(post, path = "/admin/tenants", operation_id = "createTenant", tag = "admin",
    request_body = TenantDraft,
    responses(
        (status = 201, description = "Created.", body = TenantResponse,
            headers(("Location" = String, description = "The path of the tenant."))),
        TenantCreateProblems))]
pub(super) async fn create_tenant(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    _: Query<NoParameters>,
    JsonBody(draft): JsonBody<TenantDraft>,
) -> Result<Response> {
    let tenant = gateway.tenants.create(&actor, &draft.name).await?;
    let response = response::created(&TenantResponse::of(&tenant))?;
    Ok(response::located(response, response::location(&["admin", "tenants", tenant.id.as_str()], None)))
}

/// Get a tenant
///
/// Returns one tenant with its usage and limits.
#[utoipa::path(get, path = "/admin/tenants/{id}", operation_id = "getTenant", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1")),
    responses((status = 200, description = "The tenant.", body = TenantUsageResponse), TenantProblems))]
pub(super) async fn get_tenant(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    IdPath(id): IdPath<TenantId>,
    _: Query<NoParameters>,
) -> Result<Response> {
    let tenant = gateway.tenants.get(&id).await?;
    let usage = gateway.tenants.usage(&tenant.id).await?;
    response::ok(&TenantUsageResponse::of(&tenant, &usage))
}

/// List tenants
///
/// Lists all tenants, oldest first.
#[utoipa::path(get, path = "/admin/tenants", operation_id = "listTenants", tag = "admin",
    params(Query<ListingParameters>),
    responses((status = 200, description = "A page of tenants.", body = TenantListing), TenantListProblems))]
pub(super) async fn list_tenants(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    Query(ListingParameters(request)): Query<ListingParameters>,
) -> Result<Response> {
    let listing = gateway.tenants.list(&request).await?;
    response::ok(&TenantListing::of(&listing))
}

/// Delete a tenant
///
/// Deletes its credentials, their sealed secrets and its API keys. Contacts in the CRMs are not affected.
#[utoipa::path(delete, path = "/admin/tenants/{id}", operation_id = "deleteTenant", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1")),
    responses((status = 204, description = "Deleted."), TenantProblems))]
pub(super) async fn delete_tenant(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    IdPath(id): IdPath<TenantId>,
    _: Query<NoParameters>,
) -> Result<Response> {
    gateway.tenants.delete(&actor, &id).await?;
    Ok(response::no_content())
}

/// Create a key
///
/// Returns the key and its secret. The secret is shown only once, in this response. A tenant can have several valid keys, so
/// that one can be replaced without an interruption.
#[utoipa::path(post, path = "/admin/tenants/{id}/keys", operation_id = "createKey", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1")),
    request_body = KeyDraft,
    responses((status = 201, description = "Created.", body = KeyResponse), KeyCreateProblems))]
pub(super) async fn create_key(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    IdPath(tenant): IdPath<TenantId>,
    _: Query<NoParameters>,
    JsonBody(draft): JsonBody<KeyDraft>,
) -> Result<Response> {
    let (key, secret) = gateway.keys.create(&actor, &tenant, draft).await?;
    response::created(&KeyResponse::of(&key, &secret))
}

/// List keys
///
/// Lists the keys of a tenant without their secrets, oldest first.
#[utoipa::path(get, path = "/admin/tenants/{id}/keys", operation_id = "listKeys", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1"), Query<ListingParameters>),
    responses((status = 200, description = "A page of keys.", body = KeyListing), KeyListProblems))]
pub(super) async fn list_keys(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    IdPath(tenant): IdPath<TenantId>,
    Query(ListingParameters(request)): Query<ListingParameters>,
) -> Result<Response> {
    let listing = gateway.keys.list(&tenant, &request).await?;
    response::ok(&KeyListing::of(&listing))
}

/// Revoke a key
///
/// Takes effect at once in this process, and within 5 seconds in every other replica.
#[utoipa::path(delete, path = "/admin/tenants/{id}/keys/{keyId}", operation_id = "revokeKey", tag = "admin",
    params(("id" = String, Path, description = "The tenant's id.", example = "ten_0193d3a1"),
        ("keyId" = String, Path, description = "The key's id.", example = "0193d3a2")),
    responses((status = 204, description = "Revoked."), KeyProblems))]
pub(super) async fn revoke_key(
    State(gateway): State<Arc<Gateway>>,
    Operator(actor): Operator,
    KeyPath(tenant, key): KeyPath,
    _: Query<NoParameters>,
) -> Result<Response> {
    gateway.keys.revoke(&actor, &tenant, &key).await?;
    Ok(response::no_content())
}

/// List audit records
///
/// Lists writes, changes of tenants, keys and credentials, and refused authentications, newest first. A record names the
/// actor, the action, the changed fields and the outcome. It never holds a value.
#[utoipa::path(get, path = "/admin/audit", operation_id = "listAudit", tag = "admin",
    params(Query<AuditParameters>),
    responses((status = 200, description = "A page of records.", body = AuditListing), AuditProblems))]
pub(super) async fn list_audit(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    Query(AuditParameters(request)): Query<AuditParameters>,
) -> Result<Response> {
    let listing = gateway.audit.list(&request).await?;
    response::ok(&AuditListing::of(&listing))
}

/// Filters and the position in the list.
pub(super) struct AuditParameters(AuditRequest);

impl Parameters for AuditParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (tenant, action) = (query.text("tenantId"), action(query));
        let (from, to) = (query.time("from"), query.time("to"));
        let (cursor, page_size) = (query.text("cursor"), query.page_size());
        let listing = ListingRequest { cursor: cursor?, page_size: page_size? };
        let tenant = tenant?.map(|id| TenantId::from(id.as_str()));
        Ok(Self(AuditRequest { tenant, from: from?, to: to?, action: action?, listing }))
    }

    fn documented() -> Vec<Parameter> {
        let actions = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words()));
        let query = |name, description, schema, example| {
            documented::exampled(documented::query(name, description, schema), example)
        };
        let of_tenant = "Returns only records of this tenant. The tenant may have been deleted.";
        vec![
            query("tenantId", of_tenant, documented::text(), "ten_0193d3a1"),
            query(
                "from",
                "Returns only records at or after this time.",
                documented::time(),
                "2026-01-01T00:00:00Z",
            ),
            query(
                "to",
                "Returns only records at or before this time.",
                documented::time(),
                "2100-01-01T00:00:00Z",
            ),
            query("action", "Returns only records of this action.", actions, "contact.create"),
            documented::cursor(),
            documented::page_size(),
        ]
    }
}

/// An unknown word is refused: it would match nothing, which looks as if nothing had happened.
fn action(query: &mut QueryReader) -> Read<Option<Action>> {
    let Some(word) = query.text("action")? else { return Ok(None) };
    let known = Action::parse(&word).map(Some);
    known.ok_or_else(|| query.fault("action", format!("It must be one of: {}.", words().join(", "))))
}

fn words() -> Vec<&'static str> {
    Action::ALL.iter().map(|action| action.as_str()).collect()
}
