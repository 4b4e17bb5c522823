//! The context that is passed with every call, from the HTTP edge to the CRM.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{RequestRecord, TenantId, Text};

/// At most this part of the remaining time is reserved.
const RESERVED_PART: u32 = 4;

/// Deadline, priority and request id of one request.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// When the response to the whole request is due.
    pub deadline: Instant,
    /// Whether a person waits for it.
    pub priority: Priority,
    /// Also shown to the caller.
    pub request_id: Text,
    /// The permits of the request, by which it counts as in flight.
    pub permits: CallPermits,
    /// The tenant, if a tenant sent the request: tenants take turns at shared resources.
    pub tenant: Option<TenantId>,
    /// What happened so far, for the access log.
    pub record: RequestRecord,
}

/// What a request holds while work for it runs, such as its permit among the requests in flight. It is released with the
/// last clone, so that a write whose caller disconnected still counts.
#[derive(Clone, Default)]
pub struct CallPermits(Option<Arc<dyn Any + Send + Sync>>);

impl CallPermits {
    /// Holds `permits` until the last clone is dropped.
    pub fn holding(permits: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Some(permits))
    }
}

impl fmt::Debug for CallPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "CallPermits(held)" } else { "CallPermits(none)" })
    }
}

impl CallContext {
    /// An interactive call that must end within `time` from now.
    #[must_use]
    pub fn within(time: Duration, request_id: Text) -> Self {
        Self {
            deadline: crate::clock::monotonic() + time,
            priority: Priority::Interactive,
            request_id,
            permits: CallPermits::default(),
            tenant: None,
            record: RequestRecord::default(),
        }
    }

    /// The same call with at most `time` from now.
    #[must_use]
    pub fn with_timeout(&self, time: Duration) -> Self {
        Self { deadline: self.deadline.min(crate::clock::monotonic() + time), ..self.clone() }
    }

    /// The same call with an earlier deadline, which leaves `reserve` for what follows, but at most a quarter of the time.
    #[must_use]
    pub fn leaving(&self, reserve: Duration) -> Self {
        let left = self.remaining();
        self.with_timeout(left.saturating_sub(reserve.min(left / RESERVED_PART)))
    }

    /// The same call of `tenant`.
    #[must_use]
    pub fn of(self, tenant: &TenantId) -> Self {
        Self { tenant: Some(tenant.clone()), ..self }
    }

    /// The same call for a background job.
    #[must_use]
    pub fn as_background(self) -> Self {
        Self { priority: Priority::Bulk, ..self }
    }

    /// What is left of the deadline; zero when it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(crate::clock::monotonic())
    }
}

/// Whether a person waits for the response, or a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A person waits.
    Interactive,
    /// A job waits; interactive calls go first.
    Bulk,
}
