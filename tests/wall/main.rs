//! The wall between tenants, and around secrets: what the guide's page on security promises, attacked.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod amplification;
mod canary;
#[path = "../support/canned.rs"]
mod canned;
mod checks;
mod ciphertexts;
mod conditions;
#[path = "../support/contract.rs"]
mod contract;
mod drips;
mod frozen;
#[path = "../support/gateway_process.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod gateway_process;
mod groups;
mod hosts;
mod injection;
mod isolation;
mod issuer;
mod logins;
mod memory;
mod names;
mod operations;
mod paths;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "not every suite stops its server")]
mod postgres;
mod quotas;
mod recovery;
mod repeated;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;
mod resolving;
mod rotation;
mod scopes;
#[path = "../support/slice.rs"]
#[expect(dead_code, reason = "only calls are judged here")]
mod slice;
mod smuggling;
mod stalled_log;
mod storage;
mod sweep;
#[path = "../support/test_gateway.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod test_gateway;
mod testbed;
