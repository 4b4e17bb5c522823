//! The pipeline CRM's lists: filters, one-based pages, and buckets by stage.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::records::{PipelineRecord, PipelineRecords};
use super::{DateBounds, Envelope, ListOrder, PipelineOptions, entries, responses, stages, users};
use crate::simulators::clock::read;
use crate::simulators::crm::{SimulatedRequest, SimulatedResponse};

/// Handles `GET /api/contacts`. An error is the message of a 400.
pub(super) fn list(
    records: &PipelineRecords,
    options: &PipelineOptions,
    user: usize,
    request: &SimulatedRequest<'_>,
) -> Result<SimulatedResponse, String> {
    let page = number(request, "page", 1)?;
    let size = number(request, "size", options.page_size)?.min(options.largest_page);
    let created = window(request)?;
    let mut found: Vec<_> =
        records.all().filter(|record| admitted(record, user, request, options, created)).collect();
    found.sort_by(|a, b| {
        let by = |key: &str| text(a, key).cmp(text(b, key));
        let order = match options.order {
            ListOrder::NewestFirst => by("createdAt").reverse(),
            ListOrder::OldestFirst => by("createdAt"),
            ListOrder::ChangedFirst => by("updatedAt").reverse(),
            ListOrder::ById => Ordering::Equal,
        };
        order.then_with(|| by("_id"))
    });
    let total = options.total.unwrap_or(found.len());
    let skipped = if options.same_page { 0 } else { (page - 1).saturating_mul(size) };
    let rows: Vec<_> =
        found.into_iter().skip(skipped).take(size).map(|record| responses::row(record, options)).collect();
    let meta = json!({ "total": total, "page": page, "size": size });
    let body = match options.envelope {
        Envelope::V1 => json!({ "success": true, "data": rows, "total": total, "page": page, "size": size }),
        Envelope::V2 => json!({
            "success": true,
            "data": { "contacts": rows, "total": total, "page": page, "size": size },
            "meta": meta, "contacts": rows, "total": total,
        }),
    };
    Ok(SimulatedResponse::json(200, &body))
}

/// Handles `POST /api/contacts`: always returns a list by stage.
pub(super) fn buckets(
    records: &PipelineRecords,
    options: &PipelineOptions,
    request: &SimulatedRequest<'_>,
) -> SimulatedResponse {
    let mut by_stage = Map::new();
    for stage in stages::pipeline(None).map_or(&[][..], |pipeline| pipeline.stages) {
        let rows: Vec<_> = records.all().filter(|record| text(record, "pipelineStage") == stage.id).collect();
        let total = rows.len();
        let shown: Vec<_> = rows.into_iter().take(10).map(|record| responses::row(record, options)).collect();
        by_stage.insert(stage.name.to_owned(), json!({ "contacts": shown, "total": total }));
    }
    let answer = SimulatedResponse::json(200, &json!({ "success": true, "data": by_stage }));
    let meant_to_create = request.object().is_some_and(|body| body.contains_key("phoneNumber"));
    if meant_to_create { answer.alarm("a create was sent to a list and created nothing") } else { answer }
}

fn number(request: &SimulatedRequest<'_>, name: &str, usual: usize) -> Result<usize, String> {
    match request.parameter(name).map(str::parse::<usize>) {
        None => Ok(usual),
        Some(Ok(number)) if number >= 1 => Ok(number),
        Some(_) => Err(format!("{name} must be a positive integer")),
    }
}

type Window = (Option<Timestamp>, Option<Timestamp>);

/// `dateRange`: JSON in a parameter, with the first and last creation time.
fn window(request: &SimulatedRequest<'_>) -> Result<Window, String> {
    let Some(given) = request.parameter("dateRange") else { return Ok((None, None)) };
    let range: Value = serde_json::from_str(given).map_err(|_| "dateRange must be JSON")?;
    let end = |key: &str| match range.get(key).and_then(Value::as_str) {
        Some(text) => read(text).map(Some).ok_or("dateRange holds an invalid date"),
        None => Ok(None),
    };
    Ok((end("start")?, end("end")?))
}

fn admitted(
    record: &PipelineRecord,
    user: usize,
    request: &SimulatedRequest<'_>,
    options: &PipelineOptions,
    (start, end): Window,
) -> bool {
    let equal = |parameter: &str, key: &str| {
        request.parameter(parameter).is_none_or(|wanted| text(record, key) == wanted)
    };
    let created = text(record, "createdAt").parse::<Timestamp>().ok();
    owned(record, user, request.parameter("ownerFilter").unwrap_or("my"))
        && equal("status", "status")
        && equal("pipelineStage", "pipelineStage")
        && equal("pipelineId", "pipelineId")
        && equal("source", "source")
        && request.parameter("assignee").is_none_or(|wanted| assigned(record).contains(&wanted))
        && request.parameter("search").is_none_or(|wanted| mentions(record, &wanted.to_lowercase(), options))
        && was_created_within(created, (start, end), options.date_bounds)
}

fn was_created_within(created: Option<Timestamp>, (start, end): Window, bounds: DateBounds) -> bool {
    if bounds == DateBounds::Ignored {
        return true;
    }
    let at_bound = bounds == DateBounds::Inclusive;
    let is_met = |met: &dyn Fn(Timestamp) -> bool| created.is_some_and(met);
    start.is_none_or(|start| is_met(&|time| time > start || at_bound && time == start))
        && end.is_none_or(|end| is_met(&|time| time < end || at_bound && time == end))
}

fn owned(record: &PipelineRecord, user: usize, filter: &str) -> bool {
    match filter {
        "all" | "team" => true,
        "my" => text(record, "userId") == users::id(user),
        "unassigned" => assigned(record).is_empty(),
        id => text(record, "userId") == id,
    }
}

/// Whether a text is part of a name, a number or (if the option is set) an e-mail address.
fn mentions(record: &PipelineRecord, wanted: &str, options: &PipelineOptions) -> bool {
    let (first, last) = (text(record, "firstName").to_lowercase(), text(record, "lastName").to_lowercase());
    let phones = entries::values(record.get("phoneNumber"));
    let emails = if options.search_finds_emails { entries::values(record.get("email")) } else { Vec::new() };
    format!("{first} {last}").contains(wanted)
        || phones.iter().chain(&emails).any(|value| value.to_lowercase().contains(wanted))
}

fn assigned(record: &PipelineRecord) -> Vec<&str> {
    record
        .get("assignees")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

fn text<'a>(record: &'a PipelineRecord, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}
