//! Writes that happen once: what was requested under an `Idempotency-Key`, how far it came, what the response was.
//!
//! A key is claimed durably before anything is sent. Whoever claimed it holds its row under a lease that is renewed while
//! the write runs. No clock ends a lease: a process takes a row over if it has itself seen it unrenewed for a whole lease.
//! A replay finds the response, a write in flight, or the state that an ended process left. Requests and responses are
//! kept sealed; a request is erased when its outcome is known, a response a day after the first use of its key.

mod in_flight;
mod lease;
mod ledger;
mod locks;
mod response;
mod run;
mod seen;
mod state;
#[cfg(test)]
mod tests;

pub(in crate::gateway) use in_flight::InFlightWrite;
pub(in crate::gateway) use lease::{Lease, hex, new_fence};
#[cfg(test)]
pub(in crate::gateway) use ledger::LeaseWatch;
pub(in crate::gateway) use ledger::{Begin, KEPT};
pub use ledger::{Ledger, RequestIdentity};
pub(in crate::gateway) use locks::{Guard, Locks};
pub use response::StoredResponse;
pub(in crate::gateway) use run::{end, run_to_completion};
pub(in crate::gateway) use state::{Destination, RecoveryContext, ReplayStep, WriteState};
