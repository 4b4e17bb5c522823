//! Runs the table: every fault by every operation on every CRM, a bounded number at a time, all deviations told at once.

use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::case::{Bench, CANARIES, Case, Operation};
use super::cell::Cell;
use super::judge;
use super::table::{Row, rows};
use super::worlds::{WORLDS, World};

/// Cases under way at a time: most of them wait for a simulated CRM.
const AT_A_TIME: usize = 24;

/// How often a case is tried again on a machine that was too busy to send anything.
const MORE_TRIALS: usize = 5;

/// Names a row by a part of its name, to run it alone.
const ONLY: &str = "FAULTS_ONLY";

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_has_its_one_right_answer() {
    let bench = Bench::open().await;
    let only = std::env::var_os(ONLY).map(|text| text.to_string_lossy().into_owned());
    let mut rows = rows(&bench.canary.url);
    assert!(rows.len() >= 50);
    rows.retain(|row| only.as_ref().is_none_or(|part| row.name.contains(part.as_str())));
    let cases = rows.iter().flat_map(|row| {
        let each = WORLDS.iter().flat_map(|world| Operation::ALL.map(|operation| (*world, operation)));
        each.map(move |(world, operation)| (row, world, operation))
    });
    let verdicts: Vec<(String, Vec<String>)> = stream::iter(cases)
        .map(|(row, world, operation)| run(&bench, row, world, operation))
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let mut wrong = String::new();
    for (row, verdicts) in rows.iter().zip(verdicts.chunks(WORLDS.len() * Operation::ALL.len())) {
        println!("{:<36} {}", row.name, row.cells.join(" | "));
        for (name, faults) in verdicts.iter().filter(|(_, faults)| !faults.is_empty()) {
            println!("    {name}: {}", faults.join("; "));
            writeln!(wrong, "{name}: {}", faults.join("; ")).unwrap();
        }
    }
    println!("{} cases", verdicts.len());
    for trace in CANARIES.into_iter().chain(["a panic", "internal failure"]) {
        if let Some(line) = bench.gateway.logged().lines().find(|line| line.contains(trace)) {
            writeln!(wrong, "the log says `{trace}`: {line}").unwrap();
        }
    }
    if bench.canary.visits() > 0 {
        writeln!(wrong, "{} redirects were followed", bench.canary.visits()).unwrap();
    }
    assert!(wrong.is_empty(), "{} deviations:\n{wrong}", wrong.lines().count());
}

async fn run(
    bench: &Arc<Bench>,
    row: &Row,
    world: &dyn World,
    operation: Operation,
) -> (String, Vec<String>) {
    let column = Operation::ALL.iter().position(|known| *known == operation).unwrap();
    let cell = Cell::parse(row.cells[column], world.provider());
    let name = format!("{}, {}, {operation:?}: expected {cell}", row.name, world.provider());
    let mut case = Case::prepare(bench, row, world, operation).await;
    let mut outcome = case.ask().await;
    for _ in 0..MORE_TRIALS {
        if !outcome.was_too_late() {
            break;
        }
        case.crm.shutdown().await;
        case = Case::prepare(bench, row, world, operation).await;
        outcome = case.ask().await;
    }
    let mut faults = judge::first(&case, &row.wrong, &cell, &outcome);
    if operation == Operation::CreateWithKey {
        faults.extend(judge::replay(&case, &row.wrong, &cell, &outcome.reply).await);
    }
    case.crm.shutdown().await;
    (name, faults)
}
