//! What is needed to look for a create whose outcome is not known.

use crate::domain::{ContactDraft, RemoteId, Timestamp};

/// What is needed to look for a lost create: kept sealed, erased with the outcome.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gateway) struct Evidence {
    /// The contact that was to be created.
    pub(in crate::gateway) draft: ContactDraft,
    /// Just before the send, by our clock.
    pub(in crate::gateway) sent_at: Timestamp,
    /// From when on a look can prove absence: the answer's time, or the attempt's own time-out.
    pub(in crate::gateway) settled_from: Timestamp,
    /// Records that the attempt's own look-up had seen before the send.
    pub(in crate::gateway) seen: Vec<RemoteId>,
    /// The CRM's clock at that look-up.
    pub(in crate::gateway) looked_at: Option<Timestamp>,
    /// The first look that found nobody.
    pub(in crate::gateway) absent_since: Option<Timestamp>,
}
