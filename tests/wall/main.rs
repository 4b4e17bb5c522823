//! The wall between tenants, and around secrets: what the README promises under Security, attacked.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod house;
mod isolation;
mod operations;
mod scopes;
mod smuggling;
