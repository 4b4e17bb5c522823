//! The gateway against nginx: `cargo bench --bench gateway`.
//!
//! - without arguments: CPU, throughput, latency, memory, start and size, as a table
//! - `instructions`: instructions per request under callgrind; `--check` compares them with the noted ones, `--save` notes
//!   them, `--keep FOLDER` keeps the profiles. `cargo test --bench gateway -- instructions --check` does the same with the build
//!   for tests, which is there already
//! - `scale`: how the cost of a request grows with pages, credentials, tenants and stored rows, on both databases
//!
//! `--binary PATH` measures another binary than the one just built. It refuses to print if a response was not 2xx or the machine
//! was too noisy; `--noisy` prints nevertheless, which tells whether everything works and nothing else.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that prints what it measured"
)]

mod bodies;
mod cases;
mod instructions;
mod load;
mod measure;
mod mock;
#[expect(dead_code, clippy::unwrap_used, reason = "it serves the tests too, which fail by panicking")]
#[path = "../../tests/support/postgres.rs"]
mod postgres;
mod processes;
mod report;
mod scale;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use self::mock::Mock;

const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/gateway");
/// The counts of the published build, and those of the build for tests: they are many times as high, and rise with the same causes.
const NOTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/gateway/instructions.txt");
const NOTED_UNOPTIMISED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/benches/gateway/instructions-unoptimised.txt");

/// The arguments.
#[derive(Default)]
struct Arguments {
    command: String,
    binary: Option<PathBuf>,
    check: bool,
    save: bool,
    noisy: bool,
    rounds: Option<usize>,
    keep: Option<PathBuf>,
    cases: Vec<String>,
}

fn arguments() -> Result<Arguments> {
    let mut found = Arguments::default();
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--binary" => found.binary = Some(given.next().context("--binary needs a path")?.into()),
            "--check" => found.check = true,
            "--noisy" => found.noisy = true,
            "--save" => found.save = true,
            "--rounds" => found.rounds = Some(given.next().context("--rounds needs a number")?.parse()?),
            "--keep" => found.keep = Some(given.next().context("--keep needs a folder")?.into()),
            // Cargo adds it.
            "--bench" => {}
            flag if flag.starts_with('-') => bail!("unknown flag {flag}"),
            "instructions" | "scale" if found.command.is_empty() => found.command = argument,
            _ => found.cases.push(argument),
        }
    }
    Ok(found)
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<()> {
    let built = || env!("CARGO_BIN_EXE_contacts-gateway").into();
    let binary = arguments.binary.clone().unwrap_or_else(built).canonicalize().context("--binary")?;
    match arguments.command.as_str() {
        "instructions" => {
            let mock = Mock::start().await?;
            let counts =
                instructions::count(&binary, &mock, &arguments.cases, arguments.keep.as_deref()).await?;
            let is_built_for_tests = arguments.binary.is_none() && cfg!(debug_assertions);
            let noted = if is_built_for_tests { NOTED_UNOPTIMISED } else { NOTED };
            if arguments.save {
                std::fs::write(noted, instructions::written(&counts))?;
            }
            if arguments.check {
                instructions::check(&counts, &instructions::read(&std::fs::read_to_string(noted)?))?;
            }
            Ok(())
        }
        "scale" => {
            processes::pin_load()?;
            scale::all(&binary, &Mock::start().await?, arguments.plan()).await
        }
        "" => compare(&binary, &arguments).await,
        other => bail!("unknown command {other}"),
    }
}

/// Prints the tables, and writes JSON and plot: beside this file with `--save`, else into the folder of temporary files.
async fn compare(binary: &Path, arguments: &Arguments) -> Result<()> {
    processes::pin_load()?;
    processes::raise_open_files();
    let mock = Mock::start().await?;
    let figures = measure::all(binary, &mock, arguments.plan(), &arguments.cases).await?;
    let folder = if arguments.save { PathBuf::from(BESIDE) } else { std::env::temp_dir() };
    std::fs::write(folder.join("gateway.json"), serde_json::to_string_pretty(&figures.json())?)?;
    std::fs::write(folder.join("gateway.svg"), figures.svg())?;
    println!("{}", figures.markdown());
    println!("JSON and plot: {}", folder.display());
    Ok(())
}

impl Arguments {
    fn plan(&self) -> measure::Plan {
        measure::Plan { rounds: self.rounds.unwrap_or(3), time: Duration::from_secs(2), noisy: self.noisy }
    }
}
