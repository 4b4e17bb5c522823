//! Idempotent writes: the request under an `Idempotency-Key`, its progress, and its response.
//!
//! A key is claimed durably before anything is sent. The claiming request holds the row under a lease that is renewed while
//! the write runs. No clock ends a lease: a process takes over a row if it has itself seen it unrenewed for a whole lease.
//! A replay finds the response, a write in flight, or the state that an ended process left. Requests and responses are
//! sealed. A request is erased when its outcome is known, a response a day after the first use of its key.
//!
//! A key is free again when its row is removed: when the write ends as [`WriteState::Reserved`] (nothing was sent, or the CRM
//! refused it for now), 24 hours after its first use if no process holds it, when its tenant is removed, and when the
//! recovery worker finds the credential of an unsettled write gone. A final refusal by the CRM is recorded and keeps the key.
//! Other rows of a removed credential stay until they expire.

mod in_flight;
mod lease;
mod ledger;
mod locks;
mod response;
mod seen;
mod state;
#[cfg(test)]
mod tests;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot::{self, error::TryRecvError};

pub(in crate::gateway) use in_flight::InFlightWrite;
pub(in crate::gateway) use lease::{Lease, new_fence};
#[cfg(test)]
pub(in crate::gateway) use ledger::LeaseWatch;
pub(in crate::gateway) use ledger::{Begin, KEPT};
pub use ledger::{Ledger, RequestIdentity};
pub use locks::SharedLocks;
pub(in crate::gateway) use locks::{Guard, Locks};
pub use response::StoredResponse;
pub(in crate::gateway) use state::{Destination, RecoveryContext, ReplayStep, WriteState};

use crate::domain::{CallContext, Failure, RequestRecord, Result, Retryable, Text};

/// A caller who waits for its write. If it leaves before the end, its record says that the write goes on.
struct WaitingCaller {
    record: RequestRecord,
    response: oneshot::Receiver<Result<StoredResponse>>,
}

impl Drop for WaitingCaller {
    fn drop(&mut self) {
        let runs = matches!(self.response.try_recv(), Err(TryRecvError::Empty));
        // From here on the write logs its end itself, unless it ended just before.
        self.response.close();
        if runs && self.response.try_recv().is_err() {
            self.record.note_write_continues();
        }
    }
}

/// A write in its task. Its end is logged if the caller has left, because the line of the request says only that the write goes on.
struct RunningWrite {
    caller: Option<oneshot::Sender<Result<StoredResponse>>>,
    record: RequestRecord,
    request_id: Text,
}

impl RunningWrite {
    fn end(mut self, response: Result<StoredResponse>) {
        let Some(Err(response)) = self.caller.take().map(|caller| caller.send(response)) else { return };
        let facts = self.record.facts();
        tracing::info!(
            request_id = self.request_id.as_str(),
            status = response.as_ref().ok().map(|response| response.status),
            code = response.as_ref().err().map(|failure| failure.kind.code()),
            attempts = facts.attempts,
            upstream_ms = u64::try_from(facts.upstream.as_millis()).unwrap_or(u64::MAX),
            "a write whose caller left has ended"
        );
    }
}

impl Drop for RunningWrite {
    /// The process stops before the write has ended, or it panicked.
    fn drop(&mut self) {
        if self.caller.as_ref().is_some_and(oneshot::Sender::is_closed) {
            tracing::warn!(request_id = self.request_id.as_str(), "a write whose caller left was cut off");
        }
    }
}

/// Runs a write in its own task. If a caller disconnects, the write is not left half done with its lock released and its
/// call still running at the CRM. The future is boxed by the caller, because it is large and a task copies it several times.
pub(in crate::gateway) async fn run_to_completion(
    context: &CallContext,
    write: BoxFuture<'static, Result<StoredResponse>>,
) -> Result<StoredResponse> {
    let (caller, response) = oneshot::channel();
    let (record, request_id) = (context.record.clone(), context.request_id.clone());
    let running = RunningWrite { caller: Some(caller), record, request_id };
    tokio::spawn(async move { running.end(write.await) });
    let mut waiting = WaitingCaller { record: context.record.clone(), response };
    let response = (&mut waiting.response).await;
    response.unwrap_or_else(|_| Err(Failure::internal("the task of a write ended early")))
}

/// Ends a write. With a key, a response is recorded before it is returned; this includes a final refusal by the CRM. After
/// any other failure the key is freed if nothing was done; otherwise the row stays for a replay.
pub(in crate::gateway) async fn end(
    write: Option<InFlightWrite>,
    response: Result<StoredResponse>,
) -> Result<StoredResponse> {
    let Some(write) = write else { return response };
    let failure = match response {
        Ok(response) => return write.record(response).await,
        Err(failure) => failure,
    };
    // Whatever the failure is: only the key can find out the outcome of a create that may be applied.
    let create_was_sent = !matches!(write.state(), WriteState::Reserved | WriteState::Sent);
    let needs_key = create_was_sent || failure.retryable == Retryable::SameKeyOnly;
    if write.state().may_be_applied() && needs_key && write.is_lost() {
        return Err(in_flight::not_kept());
    }
    if write.state().frees_key() {
        write.free_key().await?;
    } else {
        write.leave().await;
    }
    Err(match failure.retryable {
        Retryable::Yes if create_was_sent => failure.with_retryable(Retryable::SameKeyOnly),
        _ => failure,
    })
}
