//! What the documents tell people to send to the demo, sent to the demo: it must answer as they say.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

#[path = "../support/demo.rs"]
mod demo;
mod examples;
mod readme;
mod samples;

pub(crate) use demo::Demo;
