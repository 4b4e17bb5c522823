//! Logs: one subscriber, to standard error, as text or JSON. Logging never blocks on the reader. Metrics: [`series`]. Traces:
//! [`traces`]. The history of the operator page: [`history`].

mod access;
mod collector;
pub mod history;
mod lines;
#[cfg_attr(not(feature = "otel"), path = "no_otel.rs")]
mod otel;
mod refused_connections;
mod repeats;
pub mod series;
pub mod traces;

use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

pub use self::access::{AccessEntry, CALLER_LEFT, log as log_access, log_briefly};
use self::lines::{LineWriter, LogLines};
pub use self::refused_connections::{ConnectionRefusal, RefusedConnections};
pub use self::repeats::RepeatLimit;

/// How long the process waits at its end for the last lines to be written.
const FLUSHED_WITHIN: Duration = Duration::from_secs(1);

/// The queue of this process, which has one standard error.
static LINES: LogLines = LogLines::new();
/// Whether lines are JSON; set once the writer runs.
static WRITER: OnceLock<bool> = OnceLock::new();
/// Sets the level of all lines but those of the access log.
static LEVEL: OnceLock<Box<dyn Fn(LevelFilter) + Send + Sync>> = OnceLock::new();

/// The text in a style of terminals (1 bold, 2 dim, 31 to 33 red, green, yellow), if it may have colours.
#[must_use]
pub fn styled(has_colours: bool, style: u8, text: &str) -> String {
    if has_colours { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Logs what is wrong with a configuration that is valid.
pub fn log_warnings(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// How the lines are written.
#[derive(Clone, Copy)]
pub enum LineFormat {
    Json,
    Text { colours: bool },
}

impl LineFormat {
    const fn is_json(self) -> bool {
        matches!(self, Self::Json)
    }

    const fn has_colours(self) -> bool {
        matches!(self, Self::Text { colours: true })
    }
}

/// Starts the logs of this process. Logs one of every `one_of` successful requests; 0 logs none. Other crates log at `warn` or
/// above, because at `debug` some log the data that they process. Fails if logs were started before, or if the writer thread
/// cannot be started.
pub fn start(
    level: LevelFilter,
    format: LineFormat,
    one_of: u64,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let json = format.is_json();
    let (filter, handle) = reload::Layer::new(filter_of(level));
    let lines = fmt::layer()
        .with_writer(move || LineWriter { lines: &LINES, json })
        .with_ansi(format.has_colours())
        // Errors of the formatter would be printed directly, not through the queue.
        .log_internal_errors(false);
    let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()?;
    let writer = std::thread::Builder::new().name("log".to_owned());
    writer.spawn(move || LINES.write_to(std::io::stderr(), json))?;
    access::start(level, format, one_of);
    // It fails only if the subscriber is gone, and this one stays.
    LEVEL.get_or_init(|| Box::new(move |level| drop(handle.reload(filter_of(level)))));
    WRITER.get_or_init(|| json);
    Ok(())
}

/// Changes what is logged, after [`start`].
pub fn set_level(level: LevelFilter, one_of: u64) {
    if let Some(set) = LEVEL.get() {
        set(level);
        access::set_level(level, one_of);
    }
}

fn filter_of(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        // It logs lines of a password file that it cannot parse.
        .with_target("sqlx_postgres::options::pgpass", LevelFilter::OFF)
        // It logs a refused certificate without the host; the access log names both.
        .with_target("rustls_platform_verifier", LevelFilter::OFF)
        .with_target(env!("CARGO_CRATE_NAME"), level)
}

/// Prints one line to standard error, after the lines that were logged before. Errors are ignored.
pub fn print(line: &str) {
    let line = format!("{line}\n");
    match WRITER.get() {
        Some(_) => LINES.push(line.as_bytes(), false),
        // Standard error may be closed.
        None => drop(std::io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits up to a second for the last lines to be written. Call it at the end of the process.
pub fn flush() {
    if WRITER.get().is_some() {
        LINES.flush(FLUSHED_WITHIN);
    }
}

/// Makes a panic report its location and nothing else, because its text may contain any data.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map_or_else(|| "an unknown location".to_owned(), ToString::to_string);
        if tracing::dispatcher::has_been_set() {
            tracing::error!(%location, "a panic");
        } else {
            print(&format!("error: a bug at {location}"));
        }
    }));
}
