//! Measurements under load, each bounded in time: `cargo test --test load -- --ignored --nocapture`. A small one of an export
//! runs ordinarily.
//!
//! The gateway is the real process; its CRMs and its callers run here. What bounds the work is the CRM, not this
//! machine's speed, so that the figures are about the same on any machine, in any build.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

mod bulkhead;
mod callers;
mod crm;
mod export;
#[path = "../support/gateway_process.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod gateway_process;
mod overload;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;

use gateway_process::{GatewayProcess, master_key};

/// One measurement at a time: two would measure each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A gateway without other limits than `settings`, its log too short to cost anything.
async fn gateway(folder: &std::path::Path, settings: &[(&str, &str)]) -> GatewayProcess {
    let mut all =
        vec![("GATEWAY_LOG", "info"), ("GATEWAY_KEY_RATE", "0"), ("GATEWAY_CREDENTIAL_IN_FLIGHT", "0")];
    all.extend(settings);
    GatewayProcess::start(folder, "log", &master_key(), &all).await
}
