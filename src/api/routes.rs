//! The table of the documented routes: what is served, and what the OpenAPI document is made from.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{AppState, audit, contacts, credentials, health, keys, tenants};

/// Every documented route of a tenant.
#[rustfmt::skip]
pub(super) fn tenant_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        // contacts
        .routes(routes!(contacts::list::list, contacts::create::create))
        .routes(routes!(contacts::count::count))
        .routes(routes!(contacts::upsert::upsert))
        .routes(routes!(contacts::get::get, contacts::update::update, contacts::update::put, contacts::delete::delete))
        // credentials
        .routes(routes!(credentials::list, credentials::create))
        .routes(routes!(credentials::get, credentials::update, credentials::delete))
        .routes(routes!(credentials::check))
}

/// Every documented route that is open to everybody.
pub(super) fn open_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health::live)).routes(routes!(health::ready))
}

/// Every documented route of the operator.
pub(super) fn operator_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::get, tenants::delete))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(audit::list::list))
}
