//! The API through its real router, in files that mirror its URLs.

mod admin;
mod contacts;
mod credentials;
mod docs;
mod edge;
mod openapi;
#[path = "../support/mod.rs"]
mod support;
