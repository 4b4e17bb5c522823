//! Fuzzes the whole API with unexpected replies of both CRMs: nothing crashes, and the cost of a reply is linear in its
//! size.
//!
//! `cargo test --release --test fuzz -- --ignored --nocapture fuzz_` takes ten minutes for each CRM; `FUZZ_SECONDS` and
//! `FUZZ_SEED` change that. It needs valgrind, which counts the instructions of the costliest replies.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what was tried and found is printed")]

mod cost;
mod generator;
#[path = "../support/raw_request.rs"]
#[expect(dead_code, reason = "the hostile CRM needs more of it")]
mod raw_request;
#[path = "../support/reply.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod reply;
#[path = "../support/rng.rs"]
#[expect(dead_code, reason = "the crash tests need more of it")]
mod rng;
#[path = "../support/test_gateway.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod test_gateway;
mod world;

use std::time::{Duration, Instant};

use cost::{Costliest, Measured};
use generator::Generator;
use rng::{Rng, number};
use world::{Case, Provider, World};

/// How many of the costliest replies are counted in instructions.
const COUNTED: usize = 16;
/// The folder for replies that break a limit.
const KEPT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/fuzz");

/// Runs one case.
fn measured_case(runtime: &tokio::runtime::Runtime, world: &World, case: &Case) -> Measured {
    let before = cost::cpu_time();
    let status = runtime.block_on(world.run(case));
    Measured { cpu: cost::cpu_time().saturating_sub(before), served: world.take_served(), status }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Tries replies of `provider` for so long. Returns the cases that break a limit, and the costliest.
fn fuzz(provider: Provider, time: Duration, largest: usize) -> (Vec<String>, Costliest) {
    let seed = number("FUZZ_SEED").unwrap_or(8);
    let runtime = runtime();
    let world = runtime.block_on(World::open());
    let mut generator = Generator::new(Rng::seeded(seed), provider, largest);
    let (mut broken, mut costliest, began, mut tried) =
        (Vec::new(), Costliest::default(), Instant::now(), 0_u64);
    let mut statuses = std::collections::BTreeMap::<u16, u64>::new();
    for warm_up in world::well_formed(provider) {
        measured_case(&runtime, &world, &warm_up);
    }
    while began.elapsed() < time && broken.len() < 10 {
        let case = generator.case(&costliest);
        let measured = measured_case(&runtime, &world, &case);
        tried += 1;
        *statuses.entry(measured.status).or_default() += 1;
        if let Some(fault) = measured.fault() {
            let file = case.keep(std::path::Path::new(KEPT), &format!("broken-{}", broken.len()));
            broken.push(format!("{fault}: {file}"));
        }
        costliest.note(case, &measured);
    }
    println!("{provider:?}: seed {seed}, {tried} replies in {:?}, responses {statuses:?}", began.elapsed());
    (broken, costliest)
}

/// The same; then counts the instructions of the costliest.
fn fuzz_and_count(provider: Provider) {
    let time = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(600));
    let (mut broken, costliest) = fuzz(provider, time, 1 << 20);
    // A case that breaks a limit would take minutes in valgrind.
    if broken.is_empty() {
        broken.extend(cost::count(&costliest.take(COUNTED), &format!("{KEPT}/counted-{provider:?}")));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn strange_replies_of_both_crms_are_read_or_refused() {
    let time = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(3));
    for provider in [Provider::Aptly, Provider::Pipeline] {
        let (broken, _) = fuzz(provider, time, 1 << 12);
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

#[test]
#[ignore = "it takes ten minutes: cargo test --release --test fuzz -- --ignored --nocapture fuzz_"]
fn fuzz_aptly() {
    fuzz_and_count(Provider::Aptly);
}

#[test]
#[ignore = "it takes ten minutes: cargo test --release --test fuzz -- --ignored --nocapture fuzz_"]
fn fuzz_pipeline() {
    fuzz_and_count(Provider::Pipeline);
}

/// Runs in valgrind: the cases that the environment names, after well-formed ones that initialise everything lazy.
#[test]
#[ignore = "the fuzz tests run it under valgrind"]
fn replay() {
    let Some(folder) = std::env::var_os("FUZZ_REPLAY") else { return };
    let (runtime, cases) = (runtime(), Case::kept(std::path::Path::new(&folder)));
    let world = runtime.block_on(World::open());
    for warm_up in [Provider::Aptly, Provider::Pipeline].into_iter().flat_map(world::well_formed) {
        measured_case(&runtime, &world, &warm_up);
    }
    for case in cases {
        cost::tell_valgrind("zero");
        let measured = measured_case(&runtime, &world, &case);
        cost::tell_valgrind("dump");
        println!("replayed {}", measured.served.bytes);
    }
}
