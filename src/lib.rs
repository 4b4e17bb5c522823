//! One contacts API in front of several CRMs: a self-hosted gateway.
//!
//! # The way of a request
//!
//! `PATCH /crm/contacts/con_…?credentialId=…` passes through these files, top to bottom, and back:
//!
//! 1. [`app`] listens; `app/serve.rs` is the process, `app/server` its connections, `app/parts.rs` joins everything below.
//! 2. [`api`] is the HTTP edge. `api/gate` lets in only so many at a time. `api/router.rs` shows all routes as a table and the order of the layers. The handler in
//!    `api/contacts/update.rs` extracts credential, deadline and body, asks the gateway, answers; what it read or
//!    writes as JSON is in `api/read` and `api/schema`. Any failure becomes a problem in `api/problem`.
//! 3. [`auth`] turns the `Authorization` header into a [`domain::Caller`]: a tenant and scopes.
//! 4. [`gateway`] is what we promise whichever the CRM. `gateway/contacts/write.rs` holds the order of every write:
//!    authorise, claim the `Idempotency-Key` (`gateway/idempotency`), check by declaration, lock, settle what an earlier attempt
//!    left, read, check its condition, prepare, look up, note that it is being sent, send, read back, compare, record, answer. Opening the
//!    credential (`gateway/credentials`) unseals its secret and connects its adapter.
//! 5. [`adapters`] translates. `adapters/adapter.rs` is the seam, one folder is one CRM: `translate` makes the CRM's body
//!    from ours and our contact from the CRM's answer, `endpoints` names the call.
//! 6. [`upstream`] sends the call. `upstream/dependable.rs` holds its steps in one function: deadline, retries within a
//!    budget, breaker, pace, send; the reply is bounded, no redirect is followed.
//!
//! Beside the way: [`domain`] has the words that all share, [`clock`] is the only reader of clocks, [`blocking`] keeps work on large bodies off the threads that serve everybody, [`json`] decides what JSON we take, [`store`] remembers
//! tenants, keys, credentials, the audit and writes that happen once, [`sealing`] is all cryptography, [`config`] all
//! configuration, [`telemetry`] the logs, [`cli`] the commands, and [`simulators`] are both CRMs as small servers for the demo and the tests.
//!
//! A file names only modules below it on this way: `tests/tidy.rs` holds the ranks.

pub mod adapters;
pub mod api;
pub mod app;
pub mod auth;
pub mod blocking;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod gateway;
#[cfg(test)]
#[path = "../tests/support/instructions.rs"]
mod instructions;
pub mod json;
#[cfg(test)]
#[path = "../tests/support/proptest_config.rs"]
mod proptest_config;
pub mod sealing;
pub mod simulators;
pub mod store;
pub mod telemetry;
pub mod upstream;
