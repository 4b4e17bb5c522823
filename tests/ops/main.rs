//! Operating the gateway: what the log, the metrics and the health of credentials show, with the real binary.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod backup;
#[path = "../support/front.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod front;
#[path = "../support/gateway_process.rs"]
mod gateway_process;
mod guesses;
mod health;
mod prometheus;
mod refused;
#[path = "../support/relay.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod relay;
mod reload;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;
mod requests;
mod testbed;
mod tls;
#[cfg(feature = "otel")]
mod traces;
mod troubles;
mod upgrade;
