//! The HTTP edge: the table of routes, what is read from a request, what is written to an answer.
//!
//! [`router()`] shows every route and, in one function, the order of the layers around them. A handler extracts,
//! authorises, asks the gateway and answers; each operation is one file. A [`crate::domain::Failure`] is an answer of
//! its own: [`problem`] turns it into `application/problem+json` in one place, whoever raised it.

mod admission;
mod answer;
mod audit;
mod contacts;
mod credentials;
mod docs;
mod extract;
mod health;
mod keys;
mod layers;
pub mod openapi;
pub mod problem;
mod request;
mod reserved;
mod router;
mod routes;
pub(crate) mod schema;
mod state;
mod tenants;

pub use admission::RequestAdmission;
pub use router::{health_router, router};
pub use state::{AppState, Readiness};
