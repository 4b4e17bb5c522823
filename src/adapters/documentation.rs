//! The declarations of CRMs in words, for the documents and the API.

use super::adapter::{AdapterSpec, FilterSupport, Filterable, Verify, Write};
use crate::domain::FilterName;

/// How the filter is answered at this CRM, as words for a table and as a sentence.
#[must_use]
pub fn support(spec: &AdapterSpec, name: FilterName) -> (&'static str, &'static str) {
    let field = spec.field(name.field());
    let is_exact = spec.filter(name).is_some_and(|filter| filter.support == FilterSupport::Exact);
    match spec.filterable(name) {
        Filterable::Native if is_exact => ("exact", "the CRM answers it"),
        Filterable::Native => ("narrows", "the CRM narrows it, the gateway checks each row"),
        Filterable::Here => ("here", "the gateway checks each row"),
        Filterable::No if field.is_some_and(|field| field.read.is_some()) => (
            "here, if every row shows the field; else 422 `filter_unsupported`",
            "422 `filter_unsupported` unless every row shows the field",
        ),
        Filterable::No if name.is_negative() => {
            ("the CRM has no such field: matches everybody", "matches everybody, the CRM has no such field")
        }
        Filterable::No => {
            ("the CRM has no such field: matches nobody", "matches nobody, the CRM has no such field")
        }
    }
}

/// How a written value is compared with the value that is read back, in words.
#[must_use]
pub const fn verified(verify: Verify) -> &'static str {
    match verify {
        Verify::Exact => "equal",
        Verify::Normalised => "equal except case, spacing and punctuation",
        Verify::Values { .. } => "value by value",
        Verify::Never => "no",
    }
}

/// What a write loses, or why it stores nothing; `None` if it loses nothing or cannot be written by anybody.
#[must_use]
pub fn lost(write: Write) -> Option<String> {
    match write {
        Write::Partly(what) => Some(format!("in part: {what}")),
        Write::Never(reason) => Some(format!("not stored: {reason}")),
        Write::Stored(_) | Write::ReadOnly => None,
    }
}
