//! What is needed to look for a create whose outcome is not known, and where a write was sent.

use std::time::Duration;

use crate::domain::{ContactDraft, RemoteId, Text, Timestamp};

/// The CRM account that a credential led to when a write was sent; kept sealed until the write is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Destination {
    /// The credential's base URL.
    pub(in crate::gateway) base_url: Text,
    /// Digest of the credential's secret. The credential's revision would not do: a new name and a new master key raise
    /// it too.
    pub(in crate::gateway) secret: Text,
    /// The CRM's id of the account, if it is known.
    pub(in crate::gateway) account_id: Option<Text>,
}

impl Destination {
    /// Whether `now` is the same account; `None` if that cannot be told from what is known.
    pub(in crate::gateway) fn is_same(&self, now: &Self) -> Option<bool> {
        if self.base_url != now.base_url {
            return Some(false);
        }
        match (&self.account_id, &now.account_id) {
            (Some(then), Some(now)) => Some(then == now),
            _ => (self.secret == now.secret).then_some(true),
        }
    }
}

/// What is needed to look for a lost create: kept sealed, erased with the outcome.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gateway) struct RecoveryContext {
    /// The contact that was to be created.
    pub(in crate::gateway) draft: ContactDraft,
    /// Just before the send, by our clock.
    pub(in crate::gateway) sent_at: Timestamp,
    /// How long the create may still be applied, from the send on; no time once the CRM has answered or the attempt has
    /// timed out.
    pub(in crate::gateway) open_for: Duration,
    /// Records that the attempt's own look-up had seen before the send.
    pub(in crate::gateway) seen: Vec<RemoteId>,
    /// The CRM's clock at that look-up.
    pub(in crate::gateway) looked_at: Option<Timestamp>,
    /// Names the first lookup that found nobody. When it was, each process knows by its own clock.
    pub(in crate::gateway) absent_lookup: Option<Text>,
}
