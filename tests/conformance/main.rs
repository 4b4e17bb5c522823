//! Every CRM against every promise: adapters × cases, each case a sentence, judged by the CRM's own journal.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "shared pieces of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "not every suite stops its server")]
mod postgres;

mod audited;
mod conditions;
mod connections;
mod creating;
mod deleting;
mod dependable;
mod failures;
mod formats;
mod golden;
mod identity;
mod listing;
mod logging_in;
mod once;
mod reaching;
mod reading;
mod seeds;
mod sent_back;
mod slices;
mod unseen;
mod updating;
mod upserting;
mod verified;
