//! Every fault of a CRM, met by every operation: the one right answer, the right number of calls, bounded time and memory.
//!
//! `cargo test --test faults -- --nocapture` prints each row with what came.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod case;
mod cell;
mod front;
#[path = "../support/gateway.rs"]
mod gateway;
mod judge;
mod matrix;
mod memory;
mod table;
