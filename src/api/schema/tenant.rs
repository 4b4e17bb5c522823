//! Tenants in answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Each, Moment, Show};
use crate::gateway::Listing;
use crate::gateway::tenants::Tenant;

/// Who owns credentials and keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tenant)]
pub(in crate::api) struct TenantShape<'a> {
    /// Its id.
    id: &'a str,
    /// Its unique name.
    name: &'a str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
}

impl Show for Tenant {
    type Shape<'a> = TenantShape<'a>;

    fn show(&self) -> TenantShape<'_> {
        let Self { id, name, created_at } = self;
        TenantShape { id: id.as_str(), name, created_at: Moment(*created_at) }
    }
}

/// One tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantAnswer)]
pub(in crate::api) struct TenantAnswer<'a> {
    tenant: TenantShape<'a>,
}

impl<'a> TenantAnswer<'a> {
    /// The answer that shows `tenant`.
    pub(in crate::api) fn of(tenant: &'a Tenant) -> Self {
        Self { tenant: tenant.show() }
    }
}

/// Some tenants, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TenantListing)]
pub(in crate::api) struct TenantListing<'a> {
    /// The tenants.
    #[schema(value_type = Vec<TenantShape>)]
    items: Each<'a, Tenant>,
    /// The cursor of the next ones; null at the end.
    #[schema(required = true)]
    next_cursor: Option<&'a str>,
}

impl<'a> TenantListing<'a> {
    /// The answer that shows `listing`.
    pub(in crate::api) fn of(listing: &'a Listing<Tenant>) -> Self {
        let Listing { items, next_cursor } = listing;
        Self { items: Each(items), next_cursor: next_cursor.as_deref() }
    }
}
