//! What a caller asked, what the CRM held before and after, what was answered and warned: compared for every kind of
//! backend, field, value and write, by an oracle that knows the contract and none of the gateway's code.
//!
//! `cargo test --test matrix -- --ignored --nocapture whole` runs every case and prints the counts of each class of
//! fault. `MATRIX_CASE=aptly-v3/phoneNumbers/swapped/put cargo test --test matrix -- --ignored --nocapture one_case`
//! runs the cases whose name begins so, and prints what was sent, held, answered and warned.
//!
//! `MATRIX_TRIPS=500 cargo test --test matrix -- --ignored --nocapture many_trips` makes so many round trips at every
//! backend. `MATRIX_SEED` makes those of a failure again, and `MATRIX_LOUD=1` prints the calls of those that fail.

#![expect(clippy::disallowed_methods, reason = "a test reads its own environment and measures real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what was compared and found is printed")]

mod api;
mod backends;
mod cases;
#[path = "../support/contract.rs"]
mod contract;
mod held;
mod oracle;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;
mod report;
#[path = "../support/rng.rs"]
#[expect(dead_code, reason = "the crash tests need more of it")]
mod rng;
mod round_trip;
mod run;
#[path = "../support/slice.rs"]
#[expect(dead_code, reason = "only calls are judged here")]
mod slice;
#[path = "../support/test_gateway.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod test_gateway;

use std::time::Instant;

use cases::Case;
use report::Report;

/// Runs every case that `wanted` admits, the backends side by side.
fn run(wanted: impl Fn(usize, &Case) -> bool, aloud: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let cases = cases::all();
    let chosen: Vec<Case> = cases
        .into_iter()
        .enumerate()
        .filter(|(index, case)| wanted(*index, case))
        .map(|(_, case)| case)
        .collect();
    let began = Instant::now();
    let report = runtime.block_on(run::all(chosen, aloud));
    println!("{} cases in {:.1?}\n{report}", report.cases, began.elapsed());
    report
}

#[test]
fn a_sample_of_all_writes_loses_nothing_and_says_nothing_false() {
    // A prime, so that every backend, field, value and write is among them.
    run(|index, _| index % 23 == 0, false).assert_clean();
}

#[test]
#[ignore = "it takes some minutes: cargo test --test matrix -- --ignored --nocapture whole"]
fn whole() {
    run(|_, _| true, false).assert_clean();
}

#[test]
#[ignore = "for a look at some cases: MATRIX_CASE=aptly-v3/phoneNumbers cargo test --test matrix -- --ignored --nocapture one_case"]
fn one_case() {
    let name = std::env::var("MATRIX_CASE").unwrap_or_default();
    assert!(!name.is_empty(), "name the start of a case in MATRIX_CASE");
    let report = run(|_, case| case.name().starts_with(&name), true);
    assert!(report.cases > 0, "no case is called {name}");
    report.assert_clean();
}

/// Makes round trips at every backend.
fn round_trips(seed: u64, trips: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    println!("MATRIX_SEED={seed}");
    let began = Instant::now();
    let (made, found) = runtime.block_on(round_trip::all(seed, trips));
    println!("{made} round trips in {:.1?}, {} are wrong", began.elapsed(), found.len());
    assert!(found.is_empty(), "MATRIX_SEED={seed}\n{}", found.join("\n"));
}

#[test]
fn a_contact_that_was_read_is_edited_and_sent_back_whole_and_nothing_else_changes() {
    round_trips(rng::number("MATRIX_SEED").unwrap_or(10), 12);
}

#[test]
#[ignore = "it takes some minutes: cargo test --test matrix -- --ignored --nocapture many_trips"]
fn many_trips() {
    let seed = rng::number("MATRIX_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    round_trips(seed, rng::number("MATRIX_TRIPS").unwrap_or(150));
}
