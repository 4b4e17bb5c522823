//! Every CRM against every promise: adapters × cases, each case a sentence, judged by the CRM's own journal.

#[path = "../support/mod.rs"]
mod support;

mod creating;
mod deleting;
mod listing;
mod logging_in;
mod reaching;
mod reading;
mod updating;
