//! The HTTP API: the route table, request parsing and responses.
//!
//! `routes.rs` lists the documented routes; [`router()`] shows, in one function, the order of the layers around them. A handler
//! authorises the caller, extracts its arguments, calls the gateway and returns a response.
//! [`problem`] converts every [`crate::domain::Failure`] to `application/problem+json`.

mod admin;
mod admission;
mod contacts;
mod credentials;
mod docs;
mod extract;
mod health;
mod layers;
pub mod openapi;
mod ops;
pub mod problem;
mod request;
mod response;
mod router;
mod routes;
pub(crate) mod schema;
mod state;
mod unknown;

pub use admission::RequestAdmission;
pub use layers::PeerAddress;
pub use router::{health_router, router};
pub use state::{AppState, EdgeSettings, Readiness, SharedProxies};
