//! Counts the instructions of single pieces of work: the test runs itself once more under valgrind.
//!
//! Time on a loaded machine tells little about how work grows; instructions are nearly the same in every run. A test
//! names itself and lists its works; `of` runs them under callgrind, in a process of their own, and returns one count
//! for each. `linear` compares the counts at n and 2n.

use std::hint::black_box;
use std::process::{Command, Stdio};

/// One piece of work; what it needs was made before.
pub(crate) type Work = Box<dyn FnOnce()>;

/// What grows: a name, n, and the work at a size.
pub(crate) type Case = (&'static str, usize, fn(usize) -> Work);

/// By how much the instructions at 2n may exceed those at n: n log n is 2.2 at the sizes used.
const MOST: f64 = 2.3;
/// An argument of the process under valgrind, for libtest one more filter that matches nothing.
const CHILD: &str = "counted-under-valgrind";

/// The instructions of each of `works`, in order. `test` is the calling test's name, as `--exact` takes it. `None` in
/// the process under valgrind, which has nothing to compare, and where valgrind is not installed, which is said aloud;
/// where the environment says CI, that is a failure.
pub(crate) fn of(test: &str, works: impl IntoIterator<Item = Work>) -> Option<Vec<u64>> {
    if std::env::args().any(|argument| argument == CHILD) {
        for work in works {
            let mut work = Some(work);
            counted(&mut || work.take().unwrap()());
        }
        return None;
    }
    let works = works.into_iter().count();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // The name as callgrind shows it; only what this function calls is counted, and written when it returns.
    let function = concat!(module_path!(), "::counted");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--dump-after={function}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args([test, CHILD, "--exact", "--include-ignored", "--test-threads=1"])
        .stdin(Stdio::null())
        .output();
    let Ok(run) = run else {
        assert!(std::env::var_os("CI").is_none(), "valgrind is not installed, and CI skips no test");
        println!("valgrind is not installed: not tested");
        return None;
    };
    let said = || String::from_utf8_lossy(&[run.stdout.as_slice(), &run.stderr].concat()).into_owned();
    assert!(run.status.success(), "{test} failed under valgrind: {}", said());
    let count = |number: usize| {
        let file = std::fs::read_to_string(format!("{}.{}", out.display(), number + 1)).ok()?;
        file.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
    };
    let counts: Option<Vec<u64>> = (0..works).map(count).collect();
    Some(counts.unwrap_or_else(|| panic!("callgrind did not count {works} works of {test}: {}", said())))
}

/// Fails where a case takes more than 2.3 times the instructions at twice the size.
pub(crate) fn linear(test: &str, cases: &[Case]) {
    let works = cases.iter().flat_map(|(_, n, make)| [*n, 2 * n].map(make));
    let Some(counts) = of(test, works) else { return };
    let mut steeper = Vec::new();
    for ((name, n, _), counts) in cases.iter().zip(counts.chunks(2)) {
        #[expect(clippy::cast_precision_loss, reason = "a ratio of two digits")]
        let growth = counts[1] as f64 / counts[0].max(1) as f64;
        let line = format!("{name}: {} at {n}, {} at {}: {growth:.2} times", counts[0], counts[1], 2 * n);
        println!("{line}");
        assert!(counts[0] > 10_000, "{line}: too little work to tell");
        if growth > MOST {
            steeper.push(line);
        }
    }
    assert!(steeper.is_empty(), "not linear:\n{}", steeper.join("\n"));
}

/// Runs `work`. Its name is what callgrind is told.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    black_box(());
}
