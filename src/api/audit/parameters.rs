//! The parameters of the audit list.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::api::extract::{Parameters, QueryReader, Read};
use crate::api::openapi::parameters as documented;
use crate::domain::TenantId;
use crate::gateway::ListingRequest;
use crate::gateway::audit::{Action, AuditRequest};

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
        vec![
            documented::query(
                "tenantId",
                "Returns only records of this tenant. The tenant may have been deleted.",
                documented::text(),
            ),
            documented::query("from", "Returns only records at or after this time.", documented::time()),
            documented::query("to", "Returns only records at or before this time.", documented::time()),
            documented::query("action", "Returns only records of this action.", actions),
            documented::cursor(),
            documented::page_size(),
        ]
    }
}
