//! Every CRM against every promise: adapters × cases, each case a sentence, judged by the CRM's own journal.

#![expect(clippy::unwrap_used, clippy::panic, reason = "shared pieces of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "not every suite stops its server")]
mod postgres;

mod audited;
mod creating;
mod deleting;
mod dependable;
mod failures;
mod golden;
mod listing;
mod logging_in;
mod once;
mod reaching;
mod reading;
mod seeds;
mod slices;
mod updating;
mod upserting;
mod verified;
