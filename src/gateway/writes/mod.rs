//! Idempotent writes: the request under an `Idempotency-Key`, its progress, and its response.
//!
//! A key is claimed durably before anything is sent. The claiming request holds the row under a lease that is renewed while
//! the write runs. No clock ends a lease: a process takes over a row if it has itself seen it unrenewed for a whole lease.
//! A replay finds the response, a write in flight, or the state that an ended process left. Requests and responses are
//! sealed. A request is erased when its outcome is known, a response a day after the first use of its key.
//!
//! A key is free again when its row is removed: after a failure that had no effect at the CRM
//! ([`WriteState::frees_key`]), when the row expires, and when its credential or tenant is removed.

mod in_flight;
mod lease;
mod ledger;
mod locks;
mod response;
mod seen;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;

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

use crate::domain::{CallContext, Failure, RequestRecord, Result, Retryable};

/// A caller who waits for its write. If it leaves before the end, its record says that the write goes on.
struct WaitingCaller {
    record: RequestRecord,
    write: AbortHandle,
}

impl Drop for WaitingCaller {
    fn drop(&mut self) {
        if !self.write.is_finished() {
            self.record.note_write_continues();
        }
    }
}

/// Runs a write in its own task. If a caller disconnects, the write is not left half done with its lock released and its
/// call still running at the CRM. The future is boxed by the caller, because it is large and a task copies it several times.
/// Its end is logged then, because the line of the request says only that the caller left and the write goes on.
pub(in crate::gateway) async fn run_to_completion(
    context: &CallContext,
    write: BoxFuture<'static, Result<StoredResponse>>,
) -> Result<StoredResponse> {
    let awaited = Arc::new(());
    let caller = Arc::downgrade(&awaited);
    let (record, request_id) = (context.record.clone(), context.request_id.clone());
    let task = tokio::spawn(async move {
        let response = write.await;
        if caller.strong_count() == 0 {
            let facts = record.facts();
            tracing::info!(
                request_id = request_id.as_str(),
                status = response.as_ref().ok().map(|response| response.status),
                code = response.as_ref().err().map(|failure| failure.kind.code()),
                attempts = facts.attempts,
                upstream_ms = u64::try_from(facts.upstream.as_millis()).unwrap_or(u64::MAX),
                "a write whose caller left has ended"
            );
        }
        response
    });
    let _waiting = WaitingCaller { record: context.record.clone(), write: task.abort_handle() };
    let response = task.await.unwrap_or_else(|_| Err(Failure::internal("the task of a write ended early")));
    drop(awaited);
    response
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
    let is_lost_create = !matches!(write.state(), WriteState::Reserved | WriteState::Sent);
    let needs_key = is_lost_create || failure.retryable == Retryable::SameKeyOnly;
    if write.state().may_be_applied() && needs_key && write.is_lost() {
        return Err(in_flight::not_kept());
    }
    if write.state().frees_key() {
        write.release().await?;
    } else {
        write.leave().await;
    }
    Err(match failure.retryable {
        Retryable::Yes if is_lost_create => failure.with_retryable(Retryable::SameKeyOnly),
        _ => failure,
    })
}
