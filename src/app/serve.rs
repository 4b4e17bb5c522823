//! Listening, answering, and stopping without cutting anybody off.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Parts, start};
use crate::api::{AppState, Readiness, router};
use crate::auth::Authenticator;
use crate::config::Config;
use crate::domain::{Failure, FailureKind};

/// How long calls in flight may take after a stop was asked for.
const LONGEST_STOP: Duration = Duration::from_secs(30);
/// How often it is written when keys were last used; it is told to the minute.
const USES_PACE: Duration = Duration::from_secs(30);

/// Runs the gateway until it is told to stop. Fails with a sentence where it cannot start.
pub async fn serve(config: &Config) -> anyhow::Result<()> {
    // First of all, so that a signal that comes while starting stops it the same way.
    let signals = Signals::new()?;
    leave_no_core_dump();
    let parts = Parts::open(config).await?;
    start::check_seals(&parts.gateway.rotation).await?;
    let _presence = start::enter(&parts).await?;
    let listener = listen(config.listen).await?;
    tracing::info!(address = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "listening");
    tokio::spawn(start::tend(parts.gateway.audit.clone(), config.audit_retention_days));
    let draining = Arc::new(AtomicBool::new(false));
    let authenticator = Arc::clone(&parts.authenticator);
    let writing = tokio::spawn(write_uses(Arc::clone(&authenticator)));
    let outcome = run(listener, router(state(parts, &draining)), draining, signals).await;
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

/// Takes an address. Fails with one sentence that says what to do.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "{address} is in use by another program; stop that, or listen elsewhere with --listen"
            )
        }
        io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("this user may not listen on {address}; take a port above 1023 with --listen")
        }
        _ => anyhow::anyhow!("cannot listen on {address}: {error}"),
    })
}

/// What every route can reach; readiness ends when draining begins, and pauses while the database is away.
pub(super) fn state(parts: Parts, draining: &Arc<AtomicBool>) -> AppState {
    let Parts { store, sealer: _, authenticator, gateway } = parts;
    let draining = Arc::clone(draining);
    let readiness: Readiness = Arc::new(move || {
        let (draining, database) = (Arc::clone(&draining), Arc::clone(&store.database));
        Box::pin(async move {
            if draining.load(Ordering::Relaxed) {
                let detail = "The gateway is stopping; send the call to another one.";
                return Err(Failure::new(FailureKind::Draining, detail));
            }
            database.ready().await
        })
    });
    AppState { gateway: Arc::new(gateway), authenticator, readiness }
}

/// Answers until the first signal; then readiness fails at once, calls in flight end, and a second signal or the
/// longest stop cuts off what is left.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    draining: Arc<AtomicBool>,
    mut signals: Signals,
) -> anyhow::Result<()> {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    // Small answers must not wait for the acknowledgement of earlier ones.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { drop(stopped.await) });
    let server = tokio::spawn(server.into_future());
    signals.next().await;
    draining.store(true, Ordering::Relaxed);
    tracing::info!("stopping: no new calls are taken, those in flight end");
    drop(stop);
    tokio::select! {
        ended = server => ended??,
        () = signals.next() => tracing::warn!("stopped by a second signal; some calls were cut off"),
        () = tokio::time::sleep(LONGEST_STOP) => tracing::warn!("stopped after {LONGEST_STOP:?}; some calls were cut off"),
    }
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
