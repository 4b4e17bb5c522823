//! Aptly's list: filters, order, fixed pages.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::records::{AptlyRecord, AptlyRecords, has_email};
use super::spelling::{alone, full_name, row, text, whole_seconds};
use super::{AptlyOptions, Dialect, RowShape, UpdateBounds, fields};
use crate::simulators::clock::read;
use crate::simulators::crm::{SimulatedRequest, SimulatedResponse};

/// The filters of one list call; all must match.
struct Filters<'a> {
    kind: Option<&'a str>,
    email: Option<&'a str>,
    phone: Option<String>,
    words: Vec<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    bounds: UpdateBounds,
}

/// Handles `GET /api/contacts`. An error is the message of a 400.
pub(super) fn list(
    records: &AptlyRecords,
    options: &AptlyOptions,
    request: &SimulatedRequest<'_>,
) -> Result<SimulatedResponse, String> {
    let page = request.parameter("page").ok_or("page is required")?;
    let page: usize = page.parse().map_err(|_| "page must be an integer of at least 0")?;
    let filters = Filters::read(request, options)?;
    let mut found: Vec<_> = records.all().filter(|record| filters.admit(record)).collect();
    found.sort_by(|a, b| {
        text(b, "updatedAt").cmp(text(a, "updatedAt")).then_with(|| text(a, "_id").cmp(text(b, "_id")))
    });
    let (count, size) = (options.count.unwrap_or(found.len()), options.page_size);
    let skipped = if options.same_page { 0 } else { page.saturating_mul(size) };
    let shown = |record| match options.rows {
        RowShape::Listed => row(record),
        RowShape::Alone => alone(record, options),
        RowShape::Timeless => without_times(row(record)),
    };
    let rows: Vec<_> = found.into_iter().skip(skipped).take(size).map(shown).collect();
    let body = json!({ "data": rows, "count": count, "page": page, "pageSize": size });
    Ok(SimulatedResponse::json(200, &body)
        .header("x-offset", page.to_string())
        .header("x-count", count.to_string())
        .header("x-size", size.to_string()))
}

impl<'a> Filters<'a> {
    fn read(request: &'a SimulatedRequest<'_>, options: &AptlyOptions) -> Result<Self, String> {
        let time = |name: &str| match request.parameter(name) {
            Some(text) => read(text).map(Some).ok_or_else(|| format!("{name} is not a valid date")),
            None => Ok(None),
        };
        let kind = request.parameter("contact_type").map(|word| match options.dialect {
            // The name of an unknown type matches no contact.
            Dialect::V2 => fields::by_id(word).map_or("\u{0}", |kind| kind.name),
            Dialect::V3 => word,
        });
        Ok(Self {
            kind,
            email: request.parameter("email"),
            phone: request.parameter("phone").map(digits),
            words: request
                .parameter("name")
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_lowercase)
                .collect(),
            after: time("updated_after")?,
            before: time("updated_before")?,
            bounds: options.update_bounds,
        })
    }

    fn admit(&self, record: &AptlyRecord) -> bool {
        let name = full_name(record).to_lowercase();
        self.kind.is_none_or(|kind| text(record, "contactType") == kind)
            && self.email.is_none_or(|email| has_email(record, email))
            && self.phone.as_deref().is_none_or(|wanted| has_phone(record, wanted))
            && self.words.iter().all(|word| name.contains(word))
            && self.was_updated_within(record)
    }

    fn was_updated_within(&self, record: &AptlyRecord) -> bool {
        let stored = text(record, "updatedAt").parse::<Timestamp>().ok();
        let updated = match self.bounds {
            UpdateBounds::Ignored => return true,
            // A bound that was copied from a row includes that row.
            UpdateBounds::Shown => {
                whole_seconds(record, "updatedAt").and_then(|time| time.parse::<Timestamp>().ok())
            }
            UpdateBounds::Stored | UpdateBounds::Exclusive => stored,
        };
        let at_bound = self.bounds != UpdateBounds::Exclusive;
        let is_met = |met: &dyn Fn(Timestamp) -> bool| updated.is_some_and(met);
        self.after.is_none_or(|after| is_met(&|time| time > after || at_bound && time == after))
            && self.before.is_none_or(|before| is_met(&|time| time < before || at_bound && time == before))
    }
}

fn without_times(mut row: Value) -> Value {
    if let Some(row) = row.as_object_mut() {
        row.retain(|key, _| !matches!(key.as_str(), "createdAt" | "updatedAt"));
    }
    row
}

fn has_phone(record: &AptlyRecord, wanted: &str) -> bool {
    let phones = record.get("phone").and_then(Value::as_array);
    let number = |entry: &Value| entry.get("number").and_then(Value::as_str).map(digits);
    phones.is_some_and(|all| all.iter().filter_map(number).any(|number| number.contains(wanted)))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}
