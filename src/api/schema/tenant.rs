//! Tenants in responses.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Rfc3339, Show, listing, shape};
use crate::gateway::tenants::{TenantRecord, Usage};

shape! {
    /// A tenant. It owns credentials and API keys.
    #[schema(as = Tenant)]
    pub(crate) struct TenantShape<'a> of TenantRecord { id, name, created_at } => {
        /// The id.
        id: &'a str = id.as_str(),
        /// The unique name.
        name: &'a str = name,
        /// When it was created.
        #[schema(value_type = String, format = DateTime)]
        created_at: Rfc3339 = Rfc3339(*created_at),
    }
}

/// One tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantAnswer)]
pub(crate) struct TenantResponse<'a> {
    pub(crate) tenant: TenantShape<'a>,
}

impl<'a> TenantResponse<'a> {
    /// The response that shows `tenant`.
    pub(crate) fn of(tenant: &'a TenantRecord) -> Self {
        Self { tenant: tenant.show() }
    }
}

/// The usage and the limit of a resource.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantUsed)]
pub(in crate::api) struct UsedShape {
    used: u64,
    /// Null means unlimited.
    #[schema(required = true)]
    limit: Option<u64>,
}

/// The usage and limits of a tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TenantUsage)]
pub(in crate::api) struct UsageShape {
    /// Stored writes under an `Idempotency-Key`.
    rows: UsedShape,
    /// The bytes of these writes. A write in progress counts as 64 KiB plus its request, a finished one as what is stored.
    bytes: UsedShape,
    credentials: UsedShape,
    /// API keys.
    keys: UsedShape,
    /// Audit records. Above the limit the oldest are erased.
    audit_records: UsedShape,
}

/// One tenant and its usage.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantUsageAnswer)]
pub(in crate::api) struct TenantUsageResponse<'a> {
    tenant: TenantShape<'a>,
    usage: UsageShape,
}

impl<'a> TenantUsageResponse<'a> {
    /// The response that shows `tenant` and its `usage`.
    pub(in crate::api) fn of(tenant: &'a TenantRecord, usage: &Usage) -> Self {
        let Usage { ledger_rows, ledger_bytes, credentials, api_keys, audit_records, limits } = *usage;
        let used = |used, limit| UsedShape { used, limit };
        let usage = UsageShape {
            rows: used(ledger_rows, limits.ledger_rows),
            bytes: used(ledger_bytes, limits.ledger_bytes),
            credentials: used(credentials, limits.credentials),
            keys: used(api_keys, limits.api_keys),
            audit_records: used(audit_records, limits.audit_records),
        };
        Self { tenant: tenant.show(), usage }
    }
}

listing! {
    /// A page of tenants, oldest first.
    pub(crate) struct TenantListing {
        /// The tenants.
        items: [TenantShape] of TenantRecord,
        /// The cursor of the next page; null at the end.
        next_cursor,
    }
}
