//! The table of documented routes. The router and the OpenAPI document are both built from it.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{AppState, admin, contacts, credentials, health};

/// The documented routes for tenants.
#[rustfmt::skip]
pub(super) fn tenant_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        // contacts
        .routes(routes!(contacts::reads::list, contacts::writes::create))
        .routes(routes!(contacts::reads::count))
        .routes(routes!(contacts::reads::search))
        .routes(routes!(contacts::export::export))
        .routes(routes!(contacts::writes::upsert))
        .routes(routes!(contacts::reads::fields))
        .routes(routes!(contacts::reads::get, contacts::writes::update, contacts::writes::put, contacts::writes::delete))
        // credentials
        .routes(routes!(credentials::list, credentials::create))
        .routes(routes!(credentials::get, credentials::update, credentials::delete))
        .routes(routes!(credentials::check))
        // providers
        .routes(routes!(credentials::providers))
}

/// The documented routes that need no authentication.
pub(super) fn open_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health::live)).routes(routes!(health::ready))
}

/// The documented routes for the operator.
pub(super) fn operator_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(admin::list_tenants, admin::create_tenant))
        .routes(routes!(admin::get_tenant, admin::delete_tenant))
        .routes(routes!(admin::list_keys, admin::create_key))
        .routes(routes!(admin::revoke_key))
        .routes(routes!(admin::list_audit))
}
