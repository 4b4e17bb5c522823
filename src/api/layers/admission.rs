//! Lets a request in, or refuses it, before anything of it is read.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::gate::Gate;

/// Keeps the request's places until its answer is ready; a write that goes on without its caller keeps them too.
pub(in crate::api) async fn admit(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    match gate.enter() {
        Ok(pass) => {
            request.extensions_mut().insert(pass.clone());
            let response = next.run(request).await;
            drop(pass);
            response
        }
        Err(failure) => failure.into_response(),
    }
}
