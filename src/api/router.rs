//! All routes, and the order of the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::routing::get;
use tower::{Layer, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;

use super::routes::{open_routes, operator_routes, tenant_routes};
use super::unknown::{unknown_method, unknown_path};
use super::{AppState, EdgeSettings, RequestAdmission, docs, health, layers, ops};
use crate::config::PublicUrl;
use crate::telemetry::history::RequestHistory;

/// The documentation pages.
fn pages(public_url: Option<PublicUrl>) -> Router<AppState> {
    Router::new()
        .route("/", get(docs::home))
        .route("/openapi.json", docs::document(public_url))
        .route("/docs", get(docs::home))
        .route("/docs/", get(docs::reference))
        .route("/docs/assets/{name}", get(docs::asset))
        .route("/docs/guide", get(docs::guide))
        .route("/docs/guide/", get(docs::guide_home))
        .route("/docs/guide/{page}", get(docs::guide_page))
        .route("/docs/errors", get(docs::errors))
        .route("/docs/errors/{code}", get(docs::error))
}

/// What operators look at: the metrics, which need no key because they name no tenant and no person, and the operator page.
fn for_operators() -> Router<AppState> {
    Router::new().route("/metrics", get(health::scrape)).merge(ops::routes())
}

/// The router of the whole HTTP API.
pub fn router(state: AppState) -> Router {
    let mut work = tenant_routes().split_for_parts().0;
    if state.authenticator.admin_enabled() {
        work = work.merge(operator_routes().split_for_parts().0);
    }
    // Inside all other layers, so that a refusal has a request id and is rendered as a problem. Outside every handler, so
    // that nothing is authenticated or parsed for a refused request. Only around these routes: health checks and pages
    // work while the gateway is overloaded or stopping.
    let work = work.layer(from_fn_with_state(Arc::clone(&state.admission), layers::admit));
    let mut table = work.merge(open_routes().split_for_parts().0).merge(pages(state.edge.public_url.clone()));
    if !state.edge.has_ops_listener {
        table = table.merge(for_operators());
    }
    let recorded = (state.edge.clone(), Arc::clone(&state.history), Arc::clone(&state.admission));
    // The framework adds `Allow` to the response of `unknown_method`, outside the layers.
    let table = table.fallback(unknown_path).method_not_allowed_fallback(unknown_method).with_state(state);
    layered(table, recorded)
}

/// The router of the operations listener: health checks, metrics, and the operator page with the documentation to which it
/// links.
pub fn health_router(state: AppState) -> Router {
    let public_url = state.edge.public_url.clone();
    let table = open_routes().split_for_parts().0.merge(pages(public_url)).merge(for_operators());
    let recorded = (state.edge.clone(), Arc::clone(&state.history), Arc::clone(&state.admission));
    layered(
        table.fallback(unknown_path).method_not_allowed_fallback(unknown_method).with_state(state),
        recorded,
    )
}

/// The layers, the outermost first.
fn layered(
    table: Router,
    (edge, history, admission): (EdgeSettings, Arc<RequestHistory>, Arc<RequestAdmission>),
) -> Router {
    let EdgeSettings { trusted_proxies, has_ops_listener: _, cors_origins, public_url } = edge;
    let cors = layers::cors_layer(&cors_origins);
    let layers = ServiceBuilder::new()
        // First, so that every response has the id and all later layers can use it.
        .layer(from_fn(layers::identify))
        // Sees the final response and the total time.
        .layer(from_fn_with_state((trusted_proxies, history, admission), layers::record))
        // A browser shows a failure to the page only with these headers.
        .option_layer(cors.map(|cors| from_fn_with_state(cors, layers::apply_cors)))
        // Outside the rendering of problems, which have it too.
        .option_layer(public_url.map(|url| from_fn_with_state(url, layers::publish)))
        // Applies to problems too.
        .layer(from_fn(layers::secure))
        // Outside everything that can fail, panics included, so that all failures have one format.
        .layer(from_fn(layers::envelope))
        // Inside `envelope`, so that it replaces a failure before it becomes a problem.
        .layer(from_fn(ops::failures_as_pages))
        // The innermost layer around all routes (`router` adds one around some): converts a panic to a failure.
        .layer(CatchPanicLayer::custom(layers::panicked));
    // Aliases are rewritten before the router, because a layer of the router would run after the route is chosen.
    let aliased = map_request(async |request| layers::plain(request)).layer(table.layer(layers));
    Router::new().fallback_service(aliased)
}
