//! The API through its real router, in files that mirror its URLs.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "shared pieces of tests fail as tests do")]

mod admin;
mod audit;
mod contacts;
mod credentials;
mod docs;
mod edge;
#[path = "../support/key.rs"]
mod key;
mod limits;
mod log;
mod openapi;
#[path = "../support/edge.rs"]
mod support;
mod tokens;
