//! Every CRM against every promise: adapters × cases, each case a sentence, judged by the CRM's own journal.

#[path = "../support/mod.rs"]
mod support;

mod creating;
mod deleting;
mod failures;
mod golden;
mod listing;
mod reading;
mod seeds;
mod slices;
mod updating;
mod verified;
