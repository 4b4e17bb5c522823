//! The errors of commands, and their exit codes.

use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::domain::Failure;
use crate::store::OpenError;
use crate::telemetry;

pub(super) type CliOutcome = Result<(), CliError>;

/// Exit code after wrong usage, and with a configuration that is not valid: a repetition would fail too.
const UNUSABLE: u8 = 2;

#[derive(Debug)]
pub(super) enum CliError {
    /// The configuration is not valid.
    Config(ConfigError),
    /// A sentence, or several on a line each; then what caused it, the nearest first.
    Failed(String, Vec<String>),
    /// The reader of the output closed it, as `head` does.
    ReaderGone,
}

impl CliError {
    pub(super) fn failed(sentence: impl Into<String>) -> Self {
        Self::Failed(sentence.into(), Vec::new())
    }

    /// The error with its causes.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        Self::Failed(error.to_string(), causes.map(ToString::to_string).collect())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        Self::of(&error)
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        error.downcast().map_or_else(|error| Self::of(error.as_ref()), Self::Config)
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
        Self::failed(faults.collect::<Vec<_>>().join("\n"))
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::failed(format!("the output cannot be written: {error}")),
        }
    }
}

/// Prints the error to standard error, line by line. Returns the exit code.
pub(super) fn exit_code(outcome: CliOutcome) -> ExitCode {
    // If nobody reads it, the exit code still shows the failure.
    let print = |sentences: &str| {
        sentences.lines().for_each(|sentence| telemetry::print(&format!("error: {sentence}")));
    };
    let code = match outcome {
        Ok(()) | Err(CliError::ReaderGone) => ExitCode::SUCCESS,
        Err(CliError::Config(error)) => {
            print(&error.to_string());
            UNUSABLE.into()
        }
        Err(CliError::Failed(sentences, causes)) => {
            print(&sentences);
            for cause in causes {
                telemetry::print(&format!("  caused by: {cause}"));
            }
            ExitCode::FAILURE
        }
    };
    telemetry::flush();
    code
}
