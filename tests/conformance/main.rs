//! Every CRM against every promise: adapters × cases, each case a sentence, judged by the CRM's own journal.
//!
//! What a case must know of a CRM is in its `World`; what only one CRM has is in `aptly` and `pipeline`.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "shared pieces of tests fail as tests do")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "not every suite stops its server")]
mod postgres;

#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "these cases ask the gateway, not its HTTP edge")]
mod reply;
#[path = "../support/rng.rs"]
#[expect(dead_code, clippy::print_stdout, reason = "seeds are numbers here")]
mod rng;
#[path = "../support/test_gateway.rs"]
#[expect(dead_code, reason = "these cases ask the gateway, not its HTTP edge")]
mod test_gateway;

mod aptly;
mod audited;
mod conditions;
mod connections;
mod creating;
mod dependable;
mod failures;
mod filtering;
mod golden;
mod identity;
mod listing;
mod once;
mod pipeline;
mod reaching;
mod reading;
mod removing;
mod seeds;
mod sent_back;
mod slices;
mod unseen;
mod updating;
mod upserting;
mod verified;
mod walking;
