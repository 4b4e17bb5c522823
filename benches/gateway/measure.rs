//! The figures against nginx, interleaved in one run: each round visits nginx and the gateway for every case.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cases::{self, Case, Provider};
use crate::load::{self, Connection, Round};
use crate::mock::Mock;
use crate::processes::{self, Gateway, Nginx, Process, Way};

const CONNECTIONS: u32 = 32;
/// How often a case is measured again if nginx's own figures differ too much.
const TRIES: usize = 3;
/// nginx's largest CPU time per request may be so many times its smallest. Beyond that the machine is too noisy.
const MOST_SPREAD: f64 = 1.3;

/// The most that other programs may use of the measured core: beyond it caches and clock are not the gateway's.
const MOST_FOREIGN: f64 = 0.15;

/// How long is measured.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    /// Print figures of a noisy machine too.
    pub(crate) noisy: bool,
}

/// The middle, the least and the most of several figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Self { median: at(values.len() / 2), least: at(0), most: at(values.len().saturating_sub(1)) }
    }
}

/// The figures of one case.
pub(crate) struct CaseFigures {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    /// Microseconds of CPU per request.
    pub(crate) nginx: Spread,
    pub(crate) gateway: Spread,
    /// Gateway by nginx, of the same round.
    pub(crate) ratio: Spread,
    /// Requests per second.
    pub(crate) nginx_rate: Spread,
    pub(crate) rate: Spread,
    /// The part of its core that the gateway used.
    pub(crate) busy: f64,
    /// The part that other programs used.
    pub(crate) foreign: f64,
    pub(crate) calls: f64,
    pub(crate) connections: f64,
    pub(crate) bytes: usize,
}

/// The middle time of a response at a fixed rate of arrivals, in microseconds, beyond that of the mock alone.
pub(crate) struct Latency {
    pub(crate) title: &'static str,
    pub(crate) per_second: u32,
    pub(crate) direct: Spread,
    pub(crate) nginx: Spread,
    pub(crate) gateway: Spread,
}

#[derive(Default)]
pub(crate) struct Footprint {
    /// Resident MiB.
    pub(crate) idle: f64,
    pub(crate) after_load: f64,
    pub(crate) connections: Vec<(usize, f64)>,
    /// Milliseconds from the start of the process to the first contact.
    pub(crate) start: Spread,
    pub(crate) binary_mb: f64,
}

pub(crate) struct Figures {
    pub(crate) cases: Vec<CaseFigures>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) footprint: Footprint,
}

/// Measures everything. Fails if a response was not 2xx, or if the machine was too noisy.
pub(crate) async fn all(binary: &Path, mock: &Mock, plan: Plan, wanted: &[String]) -> Result<Figures> {
    let nginx = Nginx::start(mock)?;
    let gateway = Gateway::prepare(binary, mock, None)?;
    let mut footprint = Footprint { start: starts(&gateway).await?, ..Footprint::default() };
    footprint.binary_mb = mib(std::fs::metadata(binary)?.len()) * 1.048_576;
    let process = gateway.start(Way::Pinned)?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    footprint.idle = process.resident_mib();
    let mut found = Vec::new();
    let is_wanted = |case: &Case| wanted.is_empty() || wanted.iter().any(|key| key == case.key);
    for case in cases::all(&gateway).iter().filter(|case| is_wanted(case)) {
        eprintln!("{}", case.title);
        found.push(steady(mock, &nginx, &gateway, &process, case, plan).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    footprint.after_load = process.resident_mib();
    let latency = latencies(mock, &nginx, &gateway, plan).await?;
    drop(process);
    footprint.connections = idle_connections(&gateway).await?;
    Ok(Figures { cases: found, latency, footprint })
}

/// One case, measured again while nginx's own figures say that the machine was too noisy.
async fn steady(
    mock: &Mock,
    nginx: &Nginx,
    gateway: &Gateway,
    process: &Process,
    case: &Case,
    plan: Plan,
) -> Result<CaseFigures> {
    for _ in 0..TRIES {
        let figures = one(mock, nginx, gateway, process, case, plan).await.with_context(|| case.key)?;
        let spread = figures.nginx.most / figures.nginx.least;
        if plan.noisy || (spread <= MOST_SPREAD && figures.foreign <= MOST_FOREIGN) {
            return Ok(figures);
        }
        eprintln!(
            "  nginx's CPU time per request differs by a factor of {spread:.2}, and others used {:.0} % of the core: measured again",
            figures.foreign * 100.0
        );
    }
    bail!(
        "the machine is too noisy: nginx's own CPU time per request may differ by a factor of {MOST_SPREAD}, and other programs \
         may use {:.0} % of the core",
        MOST_FOREIGN * 100.0
    )
}

async fn one(
    mock: &Mock,
    nginx: &Nginx,
    gateway: &Gateway,
    process: &Process,
    case: &Case,
    plan: Plan,
) -> Result<CaseFigures> {
    let reference = match case.provider {
        Provider::Pipeline => nginx.pipeline,
        Provider::Aptly => nginx.aptly,
    };
    let mut rounds = Vec::new();
    let (mut calls, mut connections) = (0, 0);
    // The first round warms up.
    for round in 0..=plan.rounds {
        let passed = measured(&nginx.process, reference, &case.reference, plan.time).await?;
        let before = (mock.seen.calls(), mock.seen.connections());
        let own = measured(process, gateway.address, &case.requests, plan.time).await?;
        if round > 0 {
            calls += mock.seen.calls() - before.0;
            connections += mock.seen.connections() - before.1;
            rounds.push((passed, own));
        }
    }
    let requests: u64 = rounds.iter().map(|(_, own)| own.round.requests).sum();
    let spread = |figure: fn(&(Measured, Measured)) -> f64| Spread::of(rounds.iter().map(figure).collect());
    let request = (case.requests)(0, 0);
    let bytes = Connection::open(gateway.address).await?.call(&request).await?.1.len();
    Ok(CaseFigures {
        key: case.key,
        title: case.title,
        nginx: spread(|(nginx, _)| nginx.micros()),
        gateway: spread(|(_, own)| own.micros()),
        ratio: spread(|(nginx, own)| own.micros() / nginx.micros()),
        nginx_rate: spread(|(nginx, _)| nginx.rate()),
        rate: spread(|(_, own)| own.rate()),
        busy: spread(|(_, own)| own.busy()).median,
        foreign: spread(|(_, own)| own.foreign).median,
        calls: float(calls) / float(requests),
        connections: float(connections) / float(requests),
        bytes,
    })
}

pub(crate) struct Measured {
    round: Round,
    cpu: u64,
    foreign: f64,
}

impl Measured {
    pub(crate) fn micros(&self) -> f64 {
        float(self.cpu) / 1000.0 / float(self.round.requests)
    }

    pub(crate) fn rate(&self) -> f64 {
        float(self.round.requests) / self.round.elapsed.as_secs_f64()
    }

    fn busy(&self) -> f64 {
        float(self.cpu) / 1e9 / self.round.elapsed.as_secs_f64()
    }
}

/// The CPU of `process` while requests are sent to it. Fails if a response is not 2xx.
pub(crate) async fn measured(
    process: &Process,
    at: SocketAddr,
    requests: &load::Requests,
    time: Duration,
) -> Result<Measured> {
    let (before, core) = (process.cpu(), processes::core_busy());
    let round = load::closed(at, CONNECTIONS, time, u32::MAX, requests).await?;
    let cpu = process.cpu().saturating_sub(before);
    let busy = processes::core_busy().saturating_sub(core);
    let foreign = float(busy.saturating_sub(cpu)) / 1e9 / round.elapsed.as_secs_f64();
    ensure!(round.failed == 0, "{} of {} responses are not 2xx", round.failed, round.requests);
    ensure!(round.requests > 0, "no response came");
    Ok(Measured { round, cpu, foreign })
}

async fn latencies(mock: &Mock, nginx: &Nginx, gateway: &Gateway, plan: Plan) -> Result<Vec<Latency>> {
    const RATES: [(&str, u32, u32); 3] = [("get", 100, 150), ("list-pipeline", 15, 30), ("create", 50, 75)];
    let cases = cases::all(gateway);
    let mut found = Vec::new();
    for (key, per_second, count) in RATES {
        let case = cases.iter().find(|case| case.key == key).context("no such case")?;
        eprintln!("{}, {per_second} a second", case.title);
        let gap = Duration::from_secs(1) / per_second;
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..plan.rounds {
            let targets = [
                (mock.pipeline, &case.reference),
                (nginx.pipeline, &case.reference),
                (gateway.address, &case.requests),
            ];
            for (times, (at, requests)) in times.iter_mut().zip(targets) {
                let taken = load::open(at, gap, count, requests).await?;
                times.push(taken[taken.len() / 2].as_secs_f64() * 1e6);
            }
        }
        let [direct, nginx, gateway] = times;
        let beyond = |times: Vec<f64>| {
            Spread::of(times.iter().zip(&direct).map(|(time, direct)| time - direct).collect())
        };
        let (nginx, gateway) = (beyond(nginx), beyond(gateway));
        found.push(Latency { title: case.title, per_second, direct: Spread::of(direct), nginx, gateway });
    }
    Ok(found)
}

/// Milliseconds from the start of the process until it returned a contact.
async fn starts(gateway: &Gateway) -> Result<Spread> {
    let cases = cases::all(gateway);
    let request = (cases[0].requests)(1, 0);
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let process = gateway.spawn(Way::Pinned)?;
        loop {
            ensure!(began.elapsed() < Duration::from_secs(20), "it does not start");
            let Ok(mut connection) = Connection::open(gateway.address).await else {
                tokio::time::sleep(Duration::from_micros(500)).await;
                continue;
            };
            ensure!(connection.call(&request).await?.0 == 200, "the first response is not 200");
            break;
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
        drop(process);
    }
    Ok(Spread::of(times))
}

/// Resident MiB while so many connections, each of which had one response, are idle.
async fn idle_connections(gateway: &Gateway) -> Result<Vec<(usize, f64)>> {
    let process = gateway.start(Way::Pinned)?;
    let request: Arc<[u8]> = b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n"[..].into();
    let (mut kept, mut found) = (Vec::new(), Vec::new());
    for most in [1_000, 10_000] {
        while kept.len() < most {
            let mut connection = Connection::open(gateway.address).await?;
            ensure!(connection.call(&request).await?.0 == 200, "/livez is not 200");
            kept.push(connection);
        }
        found.push((most, process.resident_mib()));
    }
    Ok(found)
}

#[expect(clippy::cast_precision_loss, reason = "figures of a few digits")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

fn mib(bytes: u64) -> f64 {
    float(bytes) / 1024.0 / 1024.0
}
