//! Logs: one subscriber, to standard error, as text or JSON.

use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Starts the logs of this process, once. Other crates are heard from `warn` up only, whatever `level` says: at
/// `debug` some of them write what passes through them.
/// Fails where logs were started before.
pub fn start(level: LevelFilter, json: bool) -> Result<(), tracing_subscriber::util::TryInitError> {
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(!json && std::io::stderr().is_terminal());
    let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()
}

/// Makes a panic say where it happened and nothing else: its text may hold whatever was at hand.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        if tracing::dispatcher::has_been_set() {
            tracing::error!(%place, "a panic");
        } else {
            // Where standard error is closed, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: a bug at {place}");
        }
    }));
}
