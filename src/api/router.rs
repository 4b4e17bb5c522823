//! All routes, and the order of the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::routing::get;
use tower::{Layer, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;

use super::routes::{open_routes, operator_routes, tenant_routes};
use super::{AppState, docs, layers, reserved};
use crate::domain::{Failure, FailureKind};

/// Routes that are specified and not built yet.
fn reserved_routes() -> Router<AppState> {
    Router::new()
        .route("/crm/contacts/fields", get(reserved::tenant))
        .route("/crm/contacts/export", get(reserved::tenant))
        .route("/crm/contacts/search", get(reserved::tenant).post(reserved::tenant))
        .route("/crm/search", get(reserved::tenant).post(reserved::tenant))
}

/// Pages for people.
fn pages() -> Router<AppState> {
    Router::new()
        .route("/", get(docs::home))
        .route("/openapi.json", get(docs::document))
        .route("/docs", get(docs::home))
        .route("/docs/", get(docs::index))
        .route("/docs/{asset}", get(docs::asset))
        .route("/docs/errors", get(docs::errors))
        .route("/docs/errors/{code}", get(docs::error))
}

/// The whole HTTP edge.
pub fn router(state: AppState) -> Router {
    let mut work = tenant_routes().split_for_parts().0.merge(reserved_routes());
    if state.authenticator.admin_enabled() {
        work = work.merge(operator_routes().split_for_parts().0);
    }
    // Inside of all other layers, so that a refusal bears an id and is an envelope, and outside of every handler, so
    // that nothing is authenticated, read or parsed for it. Around these routes alone: health and pages answer while
    // the gateway has too much to do, and while it stops.
    let work = work.layer(from_fn_with_state(Arc::clone(&state.gate), layers::admit));
    let table = work.merge(open_routes().split_for_parts().0).merge(pages());
    // To what `unknown_method` answers, the framework adds `Allow`, outside of the layers.
    let table = table.fallback(unknown_path).method_not_allowed_fallback(unknown_method).with_state(state);
    layered(table)
}

/// The listener for the operator's machinery: health alone.
pub fn health_router(state: AppState) -> Router {
    let table = open_routes().split_for_parts().0;
    layered(table.fallback(unknown_path).method_not_allowed_fallback(unknown_method).with_state(state))
}

/// The layers, the outermost first.
fn layered(table: Router) -> Router {
    let layers = ServiceBuilder::new()
        // First, so that every answer bears the id and all that follows can name it.
        .layer(from_fn(layers::identify))
        // Sees the answer as it leaves, and how long all of it took.
        .layer(from_fn(layers::log))
        // Over problems too.
        .layer(from_fn(layers::secure))
        // Outside of everything that fails, panics included: one envelope.
        .layer(from_fn(layers::envelope))
        // Innermost of those around all routes (`router` adds one around some): a panic becomes a failure like any other.
        .layer(CatchPanicLayer::custom(layers::panicked));
    // Aliases are rewritten in front of the router: a layer of the router itself would run after the route is chosen.
    let aliased = map_request(async |request| layers::plain(request)).layer(table.layer(layers));
    Router::new().fallback_service(aliased)
}

async fn unknown_path() -> Failure {
    Failure::new(FailureKind::RouteNotFound, "There is no such path. The API is described at /docs.")
}

async fn unknown_method() -> Failure {
    Failure::new(FailureKind::MethodNotAllowed, "The path has other methods: see the header `Allow`.")
}
