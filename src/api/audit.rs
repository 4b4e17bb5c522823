//! The operator's view of the audit.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::api::extract::{Operator, Parameters, Query, QueryReader, Read};
use crate::api::openapi::parameters as documented;
use crate::api::openapi::problems::AuditProblems;
use crate::api::response;
use crate::api::schema::AuditListing;
use crate::domain::{Result, TenantId};
use crate::gateway::audit::{Action, AuditRequest};
use crate::gateway::{Gateway, ListingRequest};

/// List audit records
///
/// Lists writes, changes of tenants, keys and credentials, and refused authentications, newest first. A record names the
/// actor, the action, the changed fields and the outcome. It never holds a value.
#[utoipa::path(get, path = "/admin/audit", operation_id = "listAudit", tag = "admin",
    params(AuditParameters),
    responses((status = 200, description = "A page of records.", body = AuditListing), AuditProblems))]
pub(in crate::api) async fn list(
    State(gateway): State<Arc<Gateway>>,
    _: Operator,
    Query(AuditParameters(request)): Query<AuditParameters>,
) -> Result<Response> {
    let listing = gateway.audit.list(&request).await?;
    response::ok(&AuditListing::of(&listing))
}

/// Filters and the position in the list.
pub(in crate::api) struct AuditParameters(pub(super) AuditRequest);

impl Parameters for AuditParameters {
    fn read(query: &mut QueryReader) -> Read<Self> {
        let (tenant, action) = (query.text("tenantId"), action(query));
        let (from, to) = (query.time("from"), query.time("to"));
        let (cursor, page_size) = (query.text("cursor"), query.page_size());
        let listing = ListingRequest { cursor: cursor?, page_size: page_size? };
        let tenant = tenant?.map(|id| TenantId::from(id.as_str()));
        Ok(Self(AuditRequest { tenant, from: from?, to: to?, action: action?, listing }))
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

impl IntoParams for AuditParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
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
