//! The errors of commands, and their exit codes.

use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::domain::Failure;
use crate::store::OpenError;
use crate::telemetry;

pub(super) type CliOutcome = Result<(), CliError>;

#[derive(Debug)]
pub(super) enum CliError {
    Failed(String),
    /// The reader of the output closed it, as `head` does.
    ReaderGone,
}

impl CliError {
    pub(super) fn failed(sentence: impl Into<String>) -> Self {
        Self::Failed(sentence.into())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        if failure.faults.len() < 2 {
            let reason = failure.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            return Self::failed(format!("{}{reason}", failure.detail.as_str()));
        }
        let faults = failure.faults.iter().map(|fault| {
            let (location, detail) = (fault.place.as_str(), fault.detail.as_str());
            format!("{location}: {detail}")
        });
        Self::Failed(faults.collect::<Vec<_>>().join("\n"))
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Failed(format!("the output cannot be written: {error}")),
        }
    }
}

/// Prints the error to standard error, line by line. Returns the exit code.
pub(super) fn exit_code(outcome: CliOutcome) -> ExitCode {
    let code = match outcome {
        Ok(()) | Err(CliError::ReaderGone) => ExitCode::SUCCESS,
        Err(CliError::Failed(sentences)) => {
            // If nobody reads it, the exit code still shows the failure.
            sentences.lines().for_each(|sentence| telemetry::print(&format!("error: {sentence}")));
            ExitCode::FAILURE
        }
    };
    telemetry::flush();
    code
}
