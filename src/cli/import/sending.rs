//! One row of an import: sent until its outcome is known.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;

use super::source::ImportRow;
use crate::cli::gateway_client::{Backoff, GatewayClient, GatewayResponse};

/// How long one row is tried before the import stops.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long a row with an unknown outcome is asked about before the import goes on without it.
const PATIENCE_UNKNOWN: Duration = Duration::from_mins(2);

/// Where rows are sent.
pub(super) struct RowDestination {
    pub(super) client: GatewayClient,
    pub(super) path: &'static str,
    pub(super) query: Vec<(&'static str, String)>,
}

/// What became of a row.
pub(super) enum RowOutcome {
    /// It was written, and this is what the gateway warns of.
    Imported(Vec<RowWarning>),
    /// The gateway refused it; the reason.
    Rejected(String),
    /// The gateway does not know yet whether it was written. It is asked again in the next run.
    Unknown,
    /// No row can be imported now; the reason. This one may have been written.
    Stopped(String),
    /// No row can be imported before the reason is dealt with.
    Refused(String),
}

/// A warning of the gateway about a row that it accepted.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct RowWarning {
    pub(super) code: String,
    #[serde(default)]
    pub(super) pointer: String,
    pub(super) message: String,
}

#[derive(Deserialize)]
struct AcceptedRow {
    #[serde(default)]
    warnings: Vec<RowWarning>,
}

/// What a response means for its row.
enum ResponseVerdict {
    Ended(RowOutcome),
    Again { reason: String, pause: Option<Duration>, is_unknown: bool },
}

impl RowDestination {
    /// Sends the row until it is known what became of it; without a key, it is a dry run. `waits` is told what it waits for, and
    /// `stop` ends the wait.
    pub(super) async fn send(
        &self,
        row: &ImportRow,
        key: Option<&str>,
        waits: impl Fn(&str),
        mut stop: watch::Receiver<bool>,
    ) -> RowOutcome {
        let mut backoff = Backoff::new();
        loop {
            let (reason, asked, is_unknown) = match self.ask(row, key).await {
                Ok(response) => match verdict(&response) {
                    ResponseVerdict::Ended(outcome) => return outcome,
                    ResponseVerdict::Again { reason, pause, is_unknown } => (reason, pause, is_unknown),
                },
                Err(reason) => (reason, None, false),
            };
            let patience = if is_unknown { PATIENCE_UNKNOWN } else { PATIENCE };
            let Some(wait) = backoff.next(asked, patience) else {
                return if is_unknown { RowOutcome::Unknown } else { RowOutcome::Stopped(reason) };
            };
            waits(&reason);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Ok(_) = stop.wait_for(|stop| *stop) => return RowOutcome::Stopped("stopped".to_owned()),
            }
            waits("");
        }
    }

    async fn ask(&self, row: &ImportRow, key: Option<&str>) -> Result<GatewayResponse, String> {
        let query: Vec<(&str, &str)> =
            self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.client.post(self.path, &query, key, &row.body).await
    }
}

fn verdict(response: &GatewayResponse) -> ResponseVerdict {
    if response.is_success() {
        let accepted = serde_json::from_str::<AcceptedRow>(&response.body);
        let warnings = accepted.map_or_else(|_| Vec::new(), |accepted| accepted.warnings);
        return ResponseVerdict::Ended(RowOutcome::Imported(warnings));
    }
    let problem = response.problem();
    let sentence = problem.sentence();
    let is_unknown = problem.code == "outcome_unknown";
    match response.status {
        // A stored failure stays as it is.
        _ if response.is_replay && !is_unknown => ResponseVerdict::Ended(RowOutcome::Rejected(sentence)),
        _ if problem.retryable != "no" => {
            ResponseVerdict::Again { reason: sentence, pause: response.retry_after, is_unknown }
        }
        409 if problem.code == "contact_exists" => ResponseVerdict::Ended(RowOutcome::Rejected(format!(
            "{sentence} --upsert updates such contacts."
        ))),
        // The row itself is at fault.
        400 | 409 | 412 | 413 | 415 | 422 => ResponseVerdict::Ended(RowOutcome::Rejected(sentence)),
        // The CRM accepted it and holds something else: another row may fare better.
        _ if problem.code == "upstream_did_not_apply" => {
            ResponseVerdict::Ended(RowOutcome::Rejected(sentence))
        }
        // Any other row would fail in the same way.
        _ => ResponseVerdict::Ended(RowOutcome::Refused(sentence)),
    }
}
