//! The exit codes of commands, and how their errors are printed.

use std::io;
use std::process::ExitCode;

use anyhow::anyhow;

use crate::config::ConfigError;
use crate::telemetry;

/// Exit code after wrong usage, and with a configuration that is not valid: a repetition would fail too.
const UNUSABLE: u8 = 2;

/// The reader of the output closed it, as `head` does.
#[derive(Debug, thiserror::Error)]
#[error("the reader of the output closed it")]
pub(super) struct ReaderGone;

/// The error of a failed write to the output: [`ReaderGone`] if its reader closed it.
#[expect(clippy::needless_pass_by_value, reason = "passed to `map_err`")]
pub(super) fn unwritable(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ReaderGone.into(),
        _ => anyhow!("the output cannot be written: {error}"),
    }
}

/// Prints the error to standard error, line by line, then what caused it, the nearest first. Returns the exit code.
pub(super) fn exit_code(outcome: anyhow::Result<()>) -> ExitCode {
    let code = match outcome {
        Err(error) if !error.is::<ReaderGone>() => {
            // If nobody reads it, the exit code still shows the failure.
            error.to_string().lines().for_each(|sentence| telemetry::print(&format!("error: {sentence}")));
            for cause in error.chain().skip(1) {
                telemetry::print(&format!("  caused by: {cause}"));
            }
            if error.is::<ConfigError>() { UNUSABLE.into() } else { ExitCode::FAILURE }
        }
        _ => ExitCode::SUCCESS,
    };
    telemetry::flush();
    code
}
