//! Compares the values of remote fields, which are JSON.

use std::borrow::Cow;
use std::time::Duration;

use super::finding::Verdict;
use crate::adapters::Verify;
use crate::domain::{Timestamp, text_identity};
use crate::json::{self, Kind};

/// The value to compare: the declared inner field if the value is an object that has it.
pub(in crate::gateway::contacts) fn value_of(verify: Verify, json: &str) -> &str {
    let Verify::Values { inside } = verify else { return json };
    let members = json::members(json).map_or_else(Vec::new, |members| members.0);
    members.into_iter().find(|(name, _)| name == inside).map_or(json, |(_, raw)| raw.get())
}

pub(super) fn difference(verify: Verify, wanted: &str, now: &str) -> Option<Verdict> {
    if json::equal(wanted, now) || (is_empty(wanted) && is_empty(now)) {
        None
    } else if is_normalised(verify, wanted, now) {
        Some(Verdict::Normalised)
    } else if is_empty(now) {
        Some(Verdict::NotStored)
    } else {
        Some(Verdict::Changed)
    }
}

/// Whether two values are equal under the declared normalisation.
fn is_normalised(verify: Verify, one: &str, other: &str) -> bool {
    let (Some(a), Some(b)) = (plain_text(one), plain_text(other)) else { return false };
    match verify {
        Verify::Exact | Verify::Never => a == b,
        Verify::Normalised => a.to_lowercase() == b.to_lowercase(),
        Verify::Values { .. } => a == b || is_same_time(&a, &b),
    }
}

/// A text, or the digits of a number.
fn plain_text(json: &str) -> Option<Cow<'_, str>> {
    match json::kind(json) {
        Kind::String => json::string(json).map(|text| text_identity(&text).into_owned().into()),
        Kind::Number => Some(Cow::Borrowed(json)),
        _ => None,
    }
}

/// Whether both are the same timestamp, or one is a date and the other midnight of it in some time zone.
fn is_same_time(one: &str, other: &str) -> bool {
    const FARTHEST_ZONE: Duration = Duration::from_hours(14);
    let date = |text: &str| -> Option<Timestamp> { format!("{text}T00:00:00Z").parse().ok() };
    let time = |text: &str| -> Option<Timestamp> {
        let millis = || text.parse().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        text.parse().ok().or_else(millis)
    };
    let is_of = |date: Timestamp, time: Timestamp| date.duration_since(time).unsigned_abs() <= FARTHEST_ZONE;
    match (date(one), date(other), time(one), time(other)) {
        (Some(date), None, _, Some(time)) | (None, Some(date), Some(time), _) => is_of(date, time),
        (None, None, Some(one), Some(other)) => one == other,
        _ => false,
    }
}

pub(super) fn is_empty(json: &str) -> bool {
    matches!(json, "null" | "\"\"" | "[]" | "{}")
}
