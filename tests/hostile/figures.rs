//! The figures of a run, their table, and the limits that they must meet.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::attackers::Tally;
use crate::callers::{Went, quantile};
use crate::honest::Outcome;

/// The limit for the slowest call of the honest tenant.
const SLOWEST: Duration = Duration::from_secs(1);

/// The figures of one run; memory in KiB.
pub(crate) struct Figures {
    pub(crate) alone: Vec<Outcome>,
    pub(crate) attacked: Vec<Outcome>,
    pub(crate) idle: u64,
    pub(crate) peak: u64,
    pub(crate) after: u64,
    pub(crate) disk: u64,
    /// The exit code after TERM, and how long the process took to end.
    pub(crate) ended: Option<(i32, Duration)>,
}

impl Figures {
    /// The limits that are not met.
    pub(crate) fn broken(&self, disk_quota: u64) -> Vec<String> {
        let mut broken = Vec::new();
        let failed = self.attacked.iter().filter(|call| !call.is_success()).count();
        if failed > 0 {
            broken.push(format!("{failed} of {} honest calls failed", self.attacked.len()));
        }
        if self.alone.iter().any(|call| !call.is_success()) {
            broken.push("honest calls failed before the attack".to_owned());
        }
        let (alone, attacked) = (median(&self.alone), median(&self.attacked));
        if attacked > alone * 2 {
            broken.push(format!("the p50 rose from {alone:?} to {attacked:?}"));
        }
        let slowest = quantile(&went(&self.attacked), 1.0);
        if slowest >= SLOWEST {
            broken.push(format!("the slowest honest call took {slowest:?}"));
        }
        if self.after > self.idle * 2 {
            broken.push(format!("{} MiB a minute later, {} MiB idle", self.after / 1024, self.idle / 1024));
        }
        if self.disk > disk_quota {
            broken.push(format!("the database takes {} MiB", self.disk >> 20));
        }
        match self.ended {
            Some((0, _)) => {}
            Some((code, _)) => broken.push(format!("it ended with {code}")),
            None => broken.push("it does not end on TERM".to_owned()),
        }
        broken
    }

    pub(crate) fn table(&self, tally: &Tally) -> String {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").unwrap();
        line(format!("{:<10}{:>30}{:>42}", "honest", "alone", "under attack"));
        for operation in ["list", "get", "create", "update", "all"] {
            line(format!("{operation:<10}{}{}", row(&self.alone, operation), row(&self.attacked, operation)));
        }
        line(format!("failures   {:?}", failures(&self.attacked)));
        line(format!("slow calls {:?}", slow_seconds(&self.attacked)));
        let [idle, peak, after] = [self.idle, self.peak, self.after].map(|kib| kib / 1024);
        line(format!("memory     idle {idle} MiB, peak {peak} MiB, a minute later {after} MiB"));
        line(format!("database   {} MiB", self.disk >> 20));
        line(format!("TERM       {:?}", self.ended));
        for ((attack, outcome), count) in tally {
            line(format!("attack     {attack:<24}{outcome:<44}{count}"));
        }
        text
    }
}

fn row(calls: &[Outcome], operation: &str) -> String {
    let of: Vec<Outcome> =
        calls.iter().filter(|call| operation == "all" || call.operation == operation).cloned().collect();
    let failed = of.iter().filter(|call| !call.is_success()).count();
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| millis(quantile(&went(&of), share)));
    format!("  n {:>5} p50 {p50:>6} p99 {p99:>6} max {most:>6} failed {failed:>4}", of.len())
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn went(calls: &[Outcome]) -> Vec<Went> {
    calls.iter().map(|call| call.went).collect()
}

fn median(calls: &[Outcome]) -> Duration {
    quantile(&went(calls), 0.5)
}

fn failures(calls: &[Outcome]) -> BTreeMap<String, usize> {
    let mut failures = BTreeMap::new();
    for call in calls.iter().filter(|call| !call.is_success()) {
        *failures.entry(format!("{} {}", call.went.status, call.code)).or_default() += 1;
    }
    failures
}

/// The seconds of the attack in which slow calls were sent, and how many.
fn slow_seconds(calls: &[Outcome]) -> BTreeMap<u64, usize> {
    let mut seconds = BTreeMap::new();
    for call in calls.iter().filter(|call| call.went.took >= SLOWEST) {
        *seconds.entry(call.at.as_secs()).or_default() += 1;
    }
    seconds
}

/// One line of `/proc/<process>/status`, in KiB.
pub(crate) fn memory_kib(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
}

/// The size of the database and of all its files.
pub(crate) fn database_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let database = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("gateway.db"));
    database.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).sum()
}

/// Samples a process's memory four times a second.
pub(crate) struct Sampler {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Sampler {
    pub(crate) fn start(process: u32) -> Self {
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (noted, stopped) = (Arc::clone(&peak), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                noted.fetch_max(memory_kib(process, "VmRSS"), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(250));
            }
        });
        Self { peak, stop }
    }

    /// Stops sampling. Returns the maximum.
    pub(crate) fn peak(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.peak.load(Ordering::Relaxed)
    }
}
