//! The result of a comparison.

use crate::domain::FieldFault;

/// The result for one field after a write, or for one entry of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway::contacts) struct Finding {
    /// RFC 6901 pointer into the unified contact.
    pub(in crate::gateway::contacts) pointer: String,
    pub(in crate::gateway::contacts) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway::contacts) enum Verdict {
    /// The CRM still has the old value.
    NotApplied,
    /// The CRM has no value, although one was sent.
    NotStored,
    /// The CRM has a value that is neither the sent one nor the old one.
    Changed,
    /// The CRM has the sent value in another form; both are equal under the declared normalisation.
    Normalised,
    /// The CRM has the sent entries in another order.
    Reordered,
    /// The write did not name the field, and its value changed.
    Unrequested,
    /// No read shows the field.
    Unseen,
}

impl Finding {
    /// Whether the CRM shows that it does not have the sent value in any form.
    pub(in crate::gateway::contacts) const fn is_wrong(&self) -> bool {
        matches!(self.verdict, Verdict::NotApplied | Verdict::NotStored | Verdict::Changed)
    }

    pub(super) fn new(pointer: impl Into<String>, verdict: Verdict) -> Self {
        Self { pointer: pointer.into(), verdict }
    }

    /// The finding as a fault of a change that was not applied.
    pub(in crate::gateway::contacts) fn fault(&self) -> FieldFault {
        FieldFault::member(
            &self.pointer,
            "not_applied",
            "The CRM accepted the change but still has the old value.",
        )
    }
}
