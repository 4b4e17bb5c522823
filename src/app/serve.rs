//! Serves requests, and stops gracefully.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reload::Reloader;
use super::server::{self, ConnectionTimes, Server, Tls};
use super::{Components, ValidServer, measure, start};
use crate::api::{AppState, EdgeSettings, Readiness, RequestAdmission, SharedProxies, health_router, router};
use crate::auth::Authenticator;
use crate::config::{Flags, Limits};
use crate::domain::Text;
use crate::telemetry::history::RequestHistory;
use crate::telemetry::{series, traces};

/// How long requests in flight may take after a stop signal.
const LONGEST_STOP: Duration = Duration::from_secs(30);
/// Connections of the listener for health checks and scrapes.
const OPS_CONNECTIONS_MOST: usize = 64;
/// How often the last use of keys is written; it is accurate to the minute.
const USES_INTERVAL: Duration = Duration::from_secs(30);

/// Runs the gateway until a stop signal. `flags` are read again at a SIGHUP. Fails with a sentence if it cannot start.
pub async fn serve(server: ValidServer, flags: Flags) -> anyhow::Result<()> {
    let ValidServer { config, checked, tls } = server;
    // First, so that a signal during the start is not lost: the gateway stops as soon as it has started.
    let signals = Signals::new()?;
    let hangups = signal(SignalKind::hangup())?;
    leave_no_core_dump();
    let parts = Components::open_checked(&config, checked).await?;
    start::check_seals(&parts.gateway.rotation).await?;
    let _presence = start::enter(&parts).await?;
    let listener = listen(config.server.listen, "--listen")?;
    let ops = config.server.ops_listen.map(|address| listen(address, "GATEWAY_OPS_LISTEN")).transpose()?;
    if let Some(ops) = &ops {
        tracing::info!(address = %ops.local_addr()?, "listening for health checks and scrapes");
    }
    tracing::info!(address = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), tls = tls.is_some(), "listening");
    if let Some(endpoint) = &config.traces.endpoint {
        super::traces::start(endpoint, &config.traces, &parts.gateway.upstreams)?;
    }
    tokio::spawn(start::run_maintenance(parts.gateway.audit.clone(), config.storage.audit_retention_days));
    let authenticator = Arc::clone(&parts.authenticator);
    let writing = tokio::spawn(write_uses(Arc::clone(&authenticator)));
    let edge = EdgeSettings {
        trusted_proxies: SharedProxies::new(config.server.trusted_proxies.clone()),
        has_ops_listener: ops.is_some(),
        cors_origins: config.server.cors_origins.clone(),
        public_url: config.server.public_url.clone(),
    };
    let state = state(parts, &config.limits, edge);
    let reloader = Reloader {
        flags,
        running: config,
        trusted_proxies: state.edge.trusted_proxies.clone(),
        admission: Arc::clone(&state.admission),
        tls: tls.clone(),
    };
    let reloading = tokio::spawn(reloader.run(hangups));
    let outcome = run(listener, ops, tls, state, signals).await;
    writing.abort();
    reloading.abort();
    note_uses(&authenticator).await;
    // On another thread, because this one sends what is left.
    let _ = tokio::task::spawn_blocking(traces::flush).await;
    outcome
}

/// Writes the last use of keys, in the background, so that no request waits for it.
async fn write_uses(authenticator: Arc<Authenticator>) {
    let mut ticks = crate::clock::every(USES_INTERVAL);
    loop {
        ticks.tick().await;
        note_uses(&authenticator).await;
    }
}

async fn note_uses(authenticator: &Authenticator) {
    if let Err(failure) = authenticator.write_uses().await {
        tracing::warn!(
            code = failure.kind.code(),
            "the last use of keys could not be written; it is retried"
        );
    }
}

/// A core dump would contain the master key and every secret in use. If the system forbids the limit, the gateway runs
/// nevertheless, because the operator may have set another.
fn leave_no_core_dump() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be disabled");
    }
}

/// Listens on `address`, the value of the setting `given_by`. Fails with a sentence that says what to do.
pub(super) fn listen(address: SocketAddr, given_by: &str) -> anyhow::Result<TcpListener> {
    server::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{address} is in use by another program; stop it, or choose another address with {given_by}"
        ),
        io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("this user may not listen on {address}; choose a port above 1023 with {given_by}")
        }
        _ => anyhow::anyhow!("cannot listen on {address}: {error}"),
    })
}

/// The state of all routes. It is not ready while it drains, or while the database is unavailable.
pub(super) fn state(parts: Components, limits: &Limits, edge: EdgeSettings) -> AppState {
    let Components { store, sealer: _, authenticator, gateway } = parts;
    let admission = Arc::new(RequestAdmission::new(limits));
    let watched = Arc::clone(&admission);
    let readiness: Readiness = Arc::new(move || {
        let (admission, database) = (Arc::clone(&watched), store.database.clone());
        Box::pin(async move {
            admission.refuse_if_closed()?;
            database.ready().await
        })
    });
    let machine = rustix::system::uname();
    let replica = Text::from(machine.nodename().to_string_lossy().as_ref());
    let history = Arc::new(RequestHistory::begin(replica));
    AppState { gateway: Arc::new(gateway), authenticator, readiness, admission, history, edge }
}

/// Serves until the first signal. Then readiness fails and new requests are refused. Requests in flight end, also writes
/// whose callers have disconnected. A second signal or [`LONGEST_STOP`] cuts off the rest.
pub(super) async fn run(
    listener: TcpListener,
    ops: Option<TcpListener>,
    tls: Option<Tls>,
    state: AppState,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let admission = Arc::clone(&state.admission);
    // In the background: recovery of lost creates, and erasing of expired rows.
    let gateway = Arc::clone(&state.gateway);
    let settling = tokio::spawn(async move { gateway.contacts.settle_lost_creates().await });
    let database = state.gateway.database.clone();
    let erasing = tokio::spawn(start::erase_ledger(state.gateway.ledger.clone(), database.clone()));
    let watching = tokio::spawn(start::watch(database));
    series::install();
    let certificate = tls.clone().map(|tls| tokio::spawn(tls.watch()));
    let measuring = tokio::spawn(measure::run(Arc::clone(&state.gateway), Arc::clone(&admission)));
    // Dropped at the end, so that health checks get responses while the process stops.
    let _ops = ops.map(|ops| {
        let times = ConnectionTimes::default();
        Server::start("ops", ops, health_router(state.clone()), times, OPS_CONNECTIONS_MOST, None)
    });
    let times = ConnectionTimes::default();
    let server = Server::start("api", listener, router(state), times, server::connections_most(), tls);
    signals.next().await;
    admission.close();
    server.stop();
    tracing::info!("stopping: new requests are refused, those in flight end");
    let done = async {
        admission.until_empty().await;
        // Their responses may not be written yet.
        server.until_quiet().await;
    };
    tokio::select! {
        () = done => {}
        () = signals.next() => tracing::warn!("stopped by a second signal; some requests were cut off"),
        () = tokio::time::sleep(LONGEST_STOP) => tracing::warn!("stopped after {LONGEST_STOP:?}; some requests were cut off"),
    }
    admission.stop_waiting();
    settling.abort();
    erasing.abort();
    watching.abort();
    measuring.abort();
    if let Some(certificate) = certificate {
        certificate.abort();
    }
    Ok(())
}

/// Waits for the first stop signal.
pub async fn stopped() -> io::Result<()> {
    Signals::new()?.next().await;
    Ok(())
}

/// SIGINT and SIGTERM, which mean the same.
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
