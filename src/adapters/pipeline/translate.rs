//! Between the pipeline CRM's contacts and ours, both ways; nothing here waits or sends.

mod decode;
mod encode;
#[cfg(test)]
mod properties;

pub(super) use decode::{decode_account, decode_deleted, decode_page, decode_single, decode_written};
pub(super) use encode::{Change, RULES};

use crate::adapters::adapter::{Identity, Pushed};
use crate::adapters::identity::Wanted;
use crate::adapters::phone::Region;
use crate::adapters::remote;
use crate::domain::{
    Contact, ContactPatch, Failure, FilterName, FilterValue, Position, RawJson, RemoteFields, RemoteId,
    Result, Timestamp,
};

/// Rows to ask for at once where there is a choice; whether the CRM takes more is not documented.
pub(super) const PAGE_SIZE: u64 = 100;

/// The page size with which `limit` rows from `at` on are one page of the CRM, where any size does that.
pub(super) fn page_size(at: Position, limit: usize) -> u64 {
    let limit = (limit as u64).clamp(1, PAGE_SIZE);
    if at.0.is_multiple_of(limit) { limit } else { PAGE_SIZE }
}

/// Native parameters of the filters that are declared as pushed down: one JSON text of both bounds.
pub(super) fn encode_filters(pushed: &Pushed) -> Result<Vec<(&'static str, String)>> {
    let (mut start, mut end): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    for filter in &pushed.filters {
        match (filter.name, &filter.value) {
            (FilterName::RemoteCreatedAtMin, FilterValue::Time(time)) => start = Some(*time),
            (FilterName::RemoteCreatedAtMax, FilterValue::Time(time)) => end = Some(*time),
            (name, _) => {
                return Err(Failure::internal(format!(
                    "{} is not declared for the pipeline CRM",
                    name.parameter()
                )));
            }
        }
    }
    // A time prints digits and punctuation only, so it needs no escaping.
    let bounds = [("start", start), ("end", end)];
    let bounds =
        bounds.iter().filter_map(|(name, time)| time.map(|time| format!("\"{name}\":\"{time:.3}\"")));
    let range = bounds.collect::<Vec<_>>().join(",");
    Ok(if range.is_empty() { Vec::new() } else { vec![("dateRange", format!("{{{range}}}"))] })
}

/// The credential's `createDefaults`, held to the same rules as what a caller sends: a default that could never be
/// written is refused with the credential and not with every create.
pub(super) fn defaults(setting: Option<&RawJson>) -> Result<RemoteFields> {
    let fields = RULES.defaults(setting)?;
    let patch = ContactPatch { remote_fields: fields.clone(), ..ContactPatch::default() };
    Change::of_patch(&Contact::bare(RemoteId::from("")), &patch, Region::default())
        .map_err(remote::of_setting)?;
    Ok(fields)
}

/// One search for each identity.
pub(super) fn searches(by: &Identity, region: Region) -> Vec<(String, Wanted)> {
    let emails = by.emails.iter().cloned().map(Wanted::Email);
    let phones = by.phones.iter().cloned().map(Wanted::Phone);
    let searches = emails.chain(phones).map(|wanted| (wanted.term(region), wanted));
    let mut different: Vec<(String, Wanted)> = Vec::new();
    for search in searches.filter(|(term, _)| !term.is_empty()) {
        // One person's numbers in two spellings are one search.
        if !different.iter().any(|(_, known)| known.is_the_same(&search.1, region)) {
            different.push(search);
        }
    }
    different
}
