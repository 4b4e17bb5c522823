//! Writes that happen once: the ledger of what was asked under an `Idempotency-Key`, how far it came, what was answered.
//!
//! A key is claimed durably before anything leaves. Whoever claimed it holds the row under a lease that is renewed while the
//! write runs. No clock ends a lease: a process lets a row go that it has itself seen unrenewed for a whole lease. A replay finds the answer, a write under way, or what a process left that ended in the middle. Requests
//! and answers are kept sealed; a request is erased when its outcome is known, the answer a day after the first use.

mod answer;
mod attempt;
mod evidence;
mod kept;
mod lease;
mod ledger;
mod observed;
#[cfg(test)]
mod tests;

pub use answer::StoredResponse;
pub(in crate::gateway) use attempt::{InFlightWrite, Past, not_kept};
pub(in crate::gateway) use evidence::{Destination, RecoveryContext};
pub(in crate::gateway) use lease::{Lease, hex, new_fence};
#[cfg(test)]
pub(in crate::gateway) use ledger::LeaseWatch;
pub(in crate::gateway) use ledger::{Begin, KEPT};
pub use ledger::{Ledger, RequestIdentity};
