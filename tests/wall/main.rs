//! The wall between tenants, and around secrets: what the README promises under Security, attacked.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod canary;
mod ciphertexts;
mod house;
mod isolation;
mod operations;
mod process;
mod rotation;
mod scopes;
mod smuggling;
mod sweep;
