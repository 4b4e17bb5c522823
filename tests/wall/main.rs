//! The wall between tenants, and around secrets: what the README promises under Security, attacked.

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
mod groups;
mod hosts;
mod house;
mod injection;
mod isolation;
mod issuer;
#[path = "../support/key.rs"]
mod key;
mod logins;
mod memory;
mod names;
mod operations;
mod paths;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "not every suite stops its server")]
mod postgres;
mod process;
mod quotas;
mod recovery;
mod repeated;
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
