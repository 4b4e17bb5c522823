//! One contacts API in front of several CRMs: a self-hosted gateway.
//!
//! # The path of a request
//!
//! `PATCH /crm/contacts/con_…?credentialId=…` passes through these modules, top to bottom, and back:
//!
//! 1. [`app`] listens: `app/serve.rs` is the process, `app/server` its connections, `app/mod.rs` joins everything below.
//! 2. [`api`] is the HTTP edge. `api/admission` limits the requests in flight. `api/routes.rs` shows all routes as a table, and
//!    `api/router.rs` the order of the layers. The handler in `api/contacts/writes.rs` extracts credential, deadline and body, calls the
//!    gateway and responds. `api/request` reads JSON, `api/schema` writes it, and `api/problem` turns failures into problems.
//! 3. [`auth`] turns the `Authorization` header into a [`domain::Caller`]: a tenant and scopes.
//! 4. [`gateway`] is the behaviour that is the same for all CRMs. In `gateway/contacts`, `request.rs` shows the order
//!    of every write: scope, `Idempotency-Key`, the operation, the recorded response. `operation.rs` has the steps that writes
//!    share and the only send, `update.rs` the steps of an update, and `recovery.rs` what a replay does with a write that was
//!    cut off. `gateway/writes` stores the keys. `gateway/credentials` opens the secret and connects the adapter.
//! 5. [`adapters`] translates. `adapters/adapter.rs` is the seam, and each CRM has one folder: `translate` converts bodies and
//!    replies, `endpoints` names the calls.
//! 6. [`upstream`] sends the call. `upstream/dependable.rs` shows its steps in one function: deadline, retries within a
//!    budget, breaker, rate limit, send. Replies are limited in size, and redirects are not followed.
//!
//! Used everywhere: [`domain`] has the shared types, [`clock`] reads the clocks, [`blocking`] keeps work on large bodies off
//! the worker threads, [`permits`] limits concurrent work, [`json`] is strict JSON, [`store`] is the database, [`sealing`] all cryptography, [`config`] the
//! configuration, [`telemetry`] the logs. [`cli`] has the commands, and [`simulators`] are both CRMs as small servers for the
//! demo and the tests.
//!
//! A file names only modules of lower rank: `tests/tidy.rs` holds the ranks.

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
pub mod permits;
#[cfg(test)]
#[path = "../tests/support/proptest_config.rs"]
mod proptest_config;
pub mod sealing;
pub mod simulators;
pub mod store;
pub mod telemetry;
pub mod upstream;
