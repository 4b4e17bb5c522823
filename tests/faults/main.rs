//! Every fault of a CRM, met by every operation: the one right answer, the right number of calls, bounded time and memory.
//!
//! `cargo test --test faults -- --nocapture` prints each row with what came.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod case;
mod cell;
#[path = "../support/contract.rs"]
mod contract;
#[path = "../support/front.rs"]
mod front;
#[path = "../support/gateway_process.rs"]
mod gateway_process;
mod judge;
mod matrix;
mod memory;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;
#[path = "../support/slice.rs"]
#[expect(dead_code, reason = "only calls are judged here")]
mod slice;
mod table;
#[path = "../support/worlds/mod.rs"]
#[expect(dead_code, reason = "the conformance cases need more of it")]
mod worlds;
