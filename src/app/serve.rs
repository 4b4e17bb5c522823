//! Listening, answering, and stopping without cutting anybody off.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::server::{self, ConnectionTimes, Server};
use super::{Components, start};
use crate::api::{AppState, Readiness, RequestAdmission, health_router, router};
use crate::auth::Authenticator;
use crate::config::{Config, Limits};

/// How long calls in flight may take after a stop was asked for.
const LONGEST_STOP: Duration = Duration::from_secs(30);
/// Connections of the listener for health checks, which few programs call.
const OPS_CONNECTIONS_MOST: usize = 64;
/// How often it is written when keys were last used; it is told to the minute.
const USES_PACE: Duration = Duration::from_secs(30);

/// Runs the gateway until it is told to stop. Fails with a sentence where it cannot start.
pub async fn serve(config: &Config) -> anyhow::Result<()> {
    // First of all, so that a signal that comes while starting stops it the same way.
    let signals = Signals::new()?;
    leave_no_core_dump();
    let parts = Components::open(config).await?;
    start::check_seals(&parts.gateway.rotation).await?;
    let _presence = start::enter(&parts).await?;
    let listener = listen(config.listen, "--listen")?;
    let ops = config.ops_listen.map(|address| listen(address, "GATEWAY_OPS_LISTEN")).transpose()?;
    if let Some(ops) = &ops {
        tracing::info!(address = %ops.local_addr()?, "listening for health checks");
    }
    tracing::info!(address = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "listening");
    tokio::spawn(start::run_maintenance(parts.gateway.audit.clone(), config.audit_retention_days));
    let authenticator = Arc::clone(&parts.authenticator);
    let writing = tokio::spawn(write_uses(Arc::clone(&authenticator)));
    let outcome = run(listener, ops, state(parts, &config.limits), signals).await;
    writing.abort();
    note_uses(&authenticator).await;
    outcome
}

/// Writes again and again when keys were last used: in the background, as no call waits for it.
async fn write_uses(authenticator: Arc<Authenticator>) {
    let mut pace = tokio::time::interval(USES_PACE);
    loop {
        pace.tick().await;
        note_uses(&authenticator).await;
    }
}

async fn note_uses(authenticator: &Authenticator) {
    if let Err(failure) = authenticator.write_uses().await {
        tracing::warn!(
            code = failure.kind.code(),
            "when keys were last used could not be written; it is tried again"
        );
    }
}

/// A dump of this process would hold the master key and every secret in use. Where the system forbids the limit, the
/// gateway runs all the same: the operator may have set another.
fn leave_no_core_dump() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
}

/// Listens on `address`, the value of the setting `given_by`. Fails with one sentence that says what to do.
pub(super) fn listen(address: SocketAddr, given_by: &str) -> anyhow::Result<TcpListener> {
    server::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{address} is in use by another program; stop that, or listen elsewhere with {given_by}"
        ),
        io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("this user may not listen on {address}; take a port above 1023 with {given_by}")
        }
        _ => anyhow::anyhow!("cannot listen on {address}: {error}"),
    })
}

/// What every route can reach; readiness ends when draining begins, and pauses while the database is away.
pub(super) fn state(parts: Components, limits: &Limits) -> AppState {
    let Components { store, sealer: _, authenticator, gateway } = parts;
    let gate = Arc::new(RequestAdmission::new(limits));
    let watched = Arc::clone(&gate);
    let readiness: Readiness = Arc::new(move || {
        let (gate, database) = (Arc::clone(&watched), store.database.clone());
        Box::pin(async move {
            gate.open()?;
            database.ready().await
        })
    });
    AppState { gateway: Arc::new(gateway), authenticator, readiness, gate }
}

/// Answers until the first signal. Then readiness fails and calls are refused at once, those in flight end, and so do
/// writes whose callers have left; a second signal or the longest stop cuts off what is left.
pub(super) async fn run(
    listener: TcpListener,
    ops: Option<TcpListener>,
    state: AppState,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let gate = Arc::clone(&state.gate);
    // Beside the calls: what became of lost creates, and the end of old rows.
    let gateway = Arc::clone(&state.gateway);
    let settling = tokio::spawn(async move { gateway.contacts.settle_lost_creates().await });
    let database = state.gateway.database.clone();
    let erasing = tokio::spawn(start::erase_ledger(state.gateway.ledger.clone(), database.clone()));
    let watching = tokio::spawn(start::watch(database));
    // Dropped at the end, so that health checks get responses while the process stops.
    let _ops = ops.map(|ops| {
        Server::start(ops, health_router(state.clone()), ConnectionTimes::default(), OPS_CONNECTIONS_MOST)
    });
    let server =
        Server::start(listener, router(state), ConnectionTimes::default(), server::connections_most());
    signals.next().await;
    gate.close();
    server.stop();
    tracing::info!("stopping: no new calls are taken, those in flight end");
    let done = async {
        gate.until_empty().await;
        // Their answers are on their way yet.
        server.until_quiet().await;
    };
    tokio::select! {
        () = done => {}
        () = signals.next() => tracing::warn!("stopped by a second signal; some calls were cut off"),
        () = tokio::time::sleep(LONGEST_STOP) => tracing::warn!("stopped after {LONGEST_STOP:?}; some calls were cut off"),
    }
    settling.abort();
    erasing.abort();
    watching.abort();
    Ok(())
}

/// Waits for the first signal that asks this process to stop.
pub async fn stopped() -> io::Result<()> {
    Signals::new()?.next().await;
    Ok(())
}

/// Ctrl-C and the request to terminate, which mean the same.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
