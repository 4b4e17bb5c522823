//! The cost of a reply: CPU time during the search, then instructions, counted by valgrind, for the costliest.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::world::{Case, Served};

const INSTRUCTIONS_A_BYTE: u64 = 3_000;
const INSTRUCTIONS_A_REQUEST: u64 = 5_000_000;
/// The cost of a request independent of its reply, and its variation.
const USUAL: Duration = Duration::from_millis(5);
/// How many of the costliest cases are kept.
const REMEMBERED: usize = 64;

/// The result of one case.
pub(crate) struct Measured {
    pub(crate) cpu: Duration,
    pub(crate) served: Served,
    /// The status of the response.
    pub(crate) status: u16,
}

const fn allowed(served: Served) -> u64 {
    INSTRUCTIONS_A_REQUEST + INSTRUCTIONS_A_BYTE * served.bytes
}

impl Measured {
    /// The limit that it certainly exceeds.
    pub(crate) fn fault(&self) -> Option<String> {
        // At one instruction a nanosecond, which any machine exceeds; a debug build needs many more of them.
        let slowness = if cfg!(debug_assertions) { 30 } else { 1 };
        let most = Duration::from_secs(1) + Duration::from_nanos(allowed(self.served) * slowness);
        if self.status == 500 {
            return Some("500".to_owned());
        }
        (self.cpu > most).then(|| format!("{:?} of processor time for {} bytes", self.cpu, self.served.bytes))
    }

    /// Nanoseconds per allowed instruction.
    #[expect(clippy::cast_precision_loss, reason = "costs are compared, not counted")]
    fn ratio(&self) -> f64 {
        self.cpu.saturating_sub(USUAL).as_nanos() as f64 / allowed(self.served) as f64
    }
}

/// The costliest cases, relative to what is allowed.
#[derive(Default)]
pub(crate) struct Costliest(Vec<(f64, Case)>);

impl Costliest {
    pub(crate) fn note(&mut self, case: Case, measured: &Measured) {
        let ratio = measured.ratio();
        if self.0.len() < REMEMBERED || self.0.last().is_some_and(|(least, _)| ratio > *least) {
            let at = self.0.partition_point(|(other, _)| *other > ratio);
            self.0.insert(at, (ratio, case));
            self.0.truncate(REMEMBERED);
        }
    }

    /// One of them, to mutate further.
    pub(crate) fn get(&self, index: usize) -> Option<&Case> {
        self.0.get(index % REMEMBERED).map(|(_, case)| case)
    }

    pub(crate) fn take(self, most: usize) -> Vec<Case> {
        self.0.into_iter().take(most).map(|(_, case)| case).collect()
    }
}

/// The CPU time of all threads.
pub(crate) fn cpu_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let times = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    Duration::from_nanos(times.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum())
}

/// Counts the instructions of each case over all threads. Returns the cases above the limit.
pub(crate) fn count(cases: &[Case], folder: &str) -> Vec<String> {
    let folder = Path::new(folder);
    drop(std::fs::remove_dir_all(folder));
    let files: Vec<String> =
        cases.iter().enumerate().map(|(index, case)| case.keep(folder, &format!("{index:02}"))).collect();
    let counts = folder.with_extension("counts");
    drop(std::fs::remove_dir_all(&counts));
    std::fs::create_dir_all(&counts).unwrap();
    let replayed = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}/out", counts.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "replay", "--ignored", "--nocapture", "--test-threads", "1"])
        .env("FUZZ_REPLAY", folder)
        .output()
        .unwrap_or_else(|error| {
            panic!("valgrind counts the instructions and cannot be run ({error}); install it")
        });
    let text = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.status.success(), "{text}\n{}", String::from_utf8_lossy(&replayed.stderr));
    let served: Vec<u64> =
        text.lines().filter_map(|line| line.split("replayed ").nth(1)?.trim().parse().ok()).collect();
    assert_eq!(served.len(), files.len(), "{text}");
    let (mut broken, mut all, mut most) = (Vec::new(), 0, 0);
    for (index, (file, bytes)) in files.iter().zip(served).enumerate() {
        let counted = instructions(&counts.join(format!("out.{}", index + 1)));
        let allowed = allowed(Served { bytes, replies: 0 });
        println!("{counted:>14} instructions of {allowed:>14} allowed for {bytes:>9} bytes: {file}");
        (all, most) = (all + counted, most + allowed);
        if counted > allowed {
            broken.push(format!("{counted} instructions, {allowed} are allowed for {bytes} bytes: {file}"));
        }
    }
    println!("{all:>14} instructions of {most:>14} allowed in all");
    broken
}

/// Tells valgrind, which runs this process, to reset or to dump its counts. Function names could trigger that as well, but a
/// release build may have none.
pub(crate) fn tell_valgrind(what: &str) {
    let told = Command::new("vgdb").arg(format!("--pid={}", std::process::id())).arg(what).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

/// The total in a callgrind file.
fn instructions(file: &Path) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let line = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    line.unwrap().trim().parse().unwrap()
}
