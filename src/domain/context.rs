//! What goes along with every call from the edge to the wire.

use std::time::{Duration, Instant};

use super::Text;

/// Deadline, priority and request id of one caller's request.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// When the whole request must be answered.
    pub deadline: Instant,
    /// Whether a person waits for it.
    pub priority: Priority,
    /// The request's id, also shown to the caller.
    pub request_id: Text,
}

impl CallContext {
    /// An interactive call that must end within `time` from now.
    #[must_use]
    pub fn within(time: Duration, request_id: Text) -> Self {
        Self { deadline: Instant::now() + time, priority: Priority::Interactive, request_id }
    }

    /// What is left of the deadline; zero when it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Whether a person waits for the answer, or a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A person waits.
    Interactive,
    /// A job waits; interactive calls go first.
    Bulk,
}
