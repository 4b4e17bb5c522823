//! Conversion between the pipeline CRM's contacts and ours. No I/O.

mod body;
mod change;
mod decode;
mod lists;
#[cfg(test)]
#[path = "../../../tests/properties/pipeline.rs"]
mod properties;
mod rules;
mod stages;

pub(super) use change::PipelineChange;
pub(super) use decode::{
    ListedUsers, PipelineDefinition, decode_account, decode_deleted, decode_page, decode_pipeline,
    decode_sections, decode_single, decode_users, decode_written,
};
pub(super) use rules::RULES;
pub(super) use stages::{KnownPipelines, StageWish, definitions};

use crate::adapters::adapter::Pushed;
use crate::adapters::pipeline::SPEC;
use crate::adapters::remote;
use crate::domain::{
    Contact, ContactPatch, FilterName, FilterValue, RawJson, Region, RemoteFields, RemoteId, Result,
    Timestamp,
};

/// Rows to request if there is a choice. The CRM documents no maximum.
pub(super) const PAGE_SIZE: u64 = 100;

/// Native parameters of the filters that are declared as pushed down: one JSON text of both bounds, and the longest word of
/// the names, because the CRM searches for one text.
pub(super) fn encode_filters(pushed: &Pushed) -> Result<Vec<(&'static str, String)>> {
    let (mut start, mut end): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    let mut search = "";
    for filter in &pushed.filters {
        match (filter.name, &filter.value) {
            (FilterName::RemoteCreatedAtMin, FilterValue::Time(time)) => start = Some(*time),
            (FilterName::RemoteCreatedAtMax, FilterValue::Time(time)) => end = Some(*time),
            (name, FilterValue::Text(_)) if name.is_name_search() => {
                let words = filter.search_words().into_iter();
                search = words
                    .fold(search, |longest, word| if word.len() > longest.len() { word } else { longest });
            }
            (name, _) => return Err(SPEC.undeclared(name)),
        }
    }
    // A time has only digits and punctuation, so it needs no escaping.
    let bounds = [("start", start), ("end", end)];
    let bounds =
        bounds.iter().filter_map(|(name, time)| time.map(|time| format!("\"{name}\":\"{time:.3}\"")));
    let range = bounds.collect::<Vec<_>>().join(",");
    let range = (!range.is_empty()).then(|| ("dateRange", format!("{{{range}}}")));
    let search = (!search.is_empty()).then(|| ("search", search.to_owned()));
    Ok(range.into_iter().chain(search).collect())
}

/// Checks the credential's `createDefaults` by the rules of request bodies: invalid defaults are refused with
/// the credential, not on every create.
pub(super) fn defaults(setting: Option<&RawJson>) -> Result<RemoteFields> {
    let fields = RULES.defaults(setting)?;
    // As in a create, `null` means nothing.
    let named = fields.0.iter().filter(|(_, value)| !value.is_null()).cloned().collect();
    let patch = ContactPatch { remote_fields: RemoteFields(named), ..ContactPatch::default() };
    // Pipelines are only known after they were read, so a stage that is named twice is refused.
    PipelineChange::of_patch(&Contact::bare(RemoteId::from("")), &patch, Region::default())
        .and_then(|change| change.with_known_stage(&KnownPipelines::default()))
        .map_err(remote::of_setting)?;
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::domain::{EmailAddress, Patch, PhoneIdentity, PhoneNumber};
    use crate::instructions::{Work, linear};
    use crate::json::CheckedJson;

    fn fields(n: usize, name: &str) -> String {
        (0..n).map(|n| format!("\"{name}{n}\":{n}")).collect::<Vec<_>>().join(",")
    }

    fn elements(n: usize, value: impl Fn(usize) -> String) -> String {
        (0..n).map(value).collect::<Vec<_>>().join(",")
    }

    fn written(record: String) -> Work {
        let record = CheckedJson::from(record);
        Box::new(move || drop(black_box(decode_written(&record).unwrap().unwrap())))
    }

    fn verified(n: usize) -> String {
        let phones = elements(n, |n| format!("{{\"value\":\"+1415555{n:04}\",\"verifiedAt\":1}}"));
        let emails = elements(n, |n| format!("{{\"value\":\"a{n}@example.com\",\"verifiedAt\":1}}"));
        format!("{{\"_id\":\"abc123\",\"phoneNumber\":[{phones}],\"email\":[{emails}]}}")
    }

    #[test]
    fn decoding_takes_linear_work() {
        linear(
            "adapters::pipeline::translate::tests::decoding_takes_linear_work",
            &[
                ("rows", 500, |n| {
                    let rows = elements(n, |n| format!("{{\"_id\":\"id{n}\",\"firstName\":\"A\"}}"));
                    let page = CheckedJson::from(format!("{{\"data\":[{rows}]}}"));
                    Box::new(move || drop(black_box(decode_page(&page).unwrap())))
                }),
                ("fields", 1000, |n| written(format!("{{\"_id\":\"abc123\",{}}}", fields(n, "f")))),
                ("fields of both records of an answer", 1000, |n| {
                    written(format!(
                        "{{\"data\":{{\"contact\":{{{}}}}},\"contact\":{{\"_id\":\"abc123\",{}}}}}",
                        fields(n, "thin"),
                        fields(n, "full"),
                    ))
                }),
                ("phone numbers and e-mail addresses", 500, |n| written(verified(n))),
            ],
        );
    }

    #[test]
    fn encoding_takes_linear_work() {
        // The library reads its tables once.
        drop(PhoneIdentity::of(Region::default(), "+14155550100"));
        linear(
            "adapters::pipeline::translate::tests::encoding_takes_linear_work",
            &[("phone numbers and e-mail addresses", 100, |n| {
                let held = decode_written(&CheckedJson::from(verified(n))).unwrap().unwrap();
                let phone = |n| PhoneNumber { number: format!("1415555{n:04}").into(), kind: None };
                let email = |n| EmailAddress { address: format!("A{n}@example.com").into(), kind: None };
                let patch = ContactPatch {
                    phone_numbers: Patch::Set((0..n).rev().map(phone).collect()),
                    email_addresses: Patch::Set((0..n).rev().map(email).collect()),
                    ..ContactPatch::default()
                };
                Box::new(move || {
                    let change = PipelineChange::of_patch(&held, &patch, Region::default()).unwrap();
                    drop(black_box(change.encode().unwrap()));
                })
            })],
        );
    }
}
