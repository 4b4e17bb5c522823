//! Writes under an Idempotency-Key happen once, whatever is killed and whenever, by the journal of the simulated CRMs.
//!
//! CI runs every crash point and a sample of the random rounds. The full numbers, by a named command each:
//!
//! ```text
//! CRASH_ROUNDS=1000 cargo test --test crash -- --ignored --nocapture random_kills_on_sqlite
//! CRASH_ROUNDS=500  cargo test --test crash -- --ignored --nocapture random_kills_on_postgres
//! CRASH_KEYS=10000  cargo test --test crash -- --ignored --nocapture ten_thousand_keys_to_two_gateways
//! ```
//!
//! Those numbers are also what the commands run where the variables are not set. `CRASH_SEED` repeats a run's rng.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a run tells its seed and what it did")]

mod cluster;
#[path = "../support/contract.rs"]
mod contract;
mod create;
mod export;
#[path = "../support/gateway_process.rs"]
mod gateway_process;
mod hang_up;
mod import;
mod ledger_check;
mod points;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "no test here stops the server")]
mod postgres;
mod random;
mod replicas;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;
#[path = "../support/rng.rs"]
mod rng;
#[path = "../support/slice.rs"]
#[expect(dead_code, reason = "only calls are judged here")]
mod slice;
mod stopped;
