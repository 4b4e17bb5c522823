//! The response bodies of the pipeline CRM: incomplete, duplicated, and with misleading messages.

use serde_json::{Map, Value, json};

use super::records::PipelineRecord;
use super::writes::PipelineRefusal;
use super::{Conflict, CreateAnswer, Envelope, ListPhones, PipelineOptions, entries, users};
use crate::simulators::crm::SimulatedResponse;

const WORDS: &str = "Contact updated successfully";

/// The response to a create, with the message of an update.
pub(super) fn created(record: &PipelineRecord, options: &PipelineOptions) -> SimulatedResponse {
    let mut thin = thin(record);
    let body = match options.create_answer {
        CreateAnswer::Record => json!({ "success": true, "message": WORDS, "data": record }),
        CreateAnswer::WithContact => with_contact(&thin, record),
        CreateAnswer::WithoutId => json!({ "success": true, "message": WORDS, "data": { "message": WORDS } }),
        CreateAnswer::AsPrinted => {
            thin.insert("status".to_owned(), json!("Qualified"));
            envelope(&thin)
        }
        CreateAnswer::Thin => envelope(&thin),
    };
    SimulatedResponse::json(options.create_status, &body)
}

/// The response to `PATCH`.
pub(super) fn updated(record: &PipelineRecord, options: &PipelineOptions) -> SimulatedResponse {
    let thin = thin(record);
    SimulatedResponse::json(
        200,
        &if options.update_with_contact { with_contact(&thin, record) } else { envelope(&thin) },
    )
}

fn envelope(thin: &PipelineRecord) -> Value {
    json!({ "success": true, "message": WORDS, "data": { "contact": thin, "message": WORDS } })
}

fn with_contact(thin: &PipelineRecord, record: &PipelineRecord) -> Value {
    json!({ "success": true, "message": WORDS, "data": { "contact": thin, "message": WORDS }, "contact": record })
}

fn thin(record: &PipelineRecord) -> PipelineRecord {
    let keys = ["_id", "firstName", "lastName", "status"];
    let shown = keys.into_iter().filter_map(|key| Some((key.to_owned(), record.get(key)?.clone())));
    shown.collect::<Map<_, _>>()
}

pub(super) fn row(record: &PipelineRecord, options: &PipelineOptions) -> Value {
    let mut row = record.clone();
    if options.envelope == Envelope::V1 || options.list_phones != ListPhones::Entries {
        one_number(&mut row, options.list_phones);
    }
    if options.envelope == Envelope::V1 {
        let creator = record.get("createdBy").and_then(Value::as_str).unwrap_or_default();
        let name = (0..3).find(|user| users::id(*user) == creator).map(users::full_name);
        row.insert("createdBy".to_owned(), json!({ "_id": creator, "fullName": name }));
        row.extend([
            ("channelTypes".to_owned(), json!(["sms"])),
            ("isAutopilot".to_owned(), json!(false)),
            ("isBulkSms".to_owned(), json!(false)),
            ("files".to_owned(), json!([])),
        ]);
    }
    Value::Object(row)
}

/// Shows one number as a text, and the others in another field or not at all.
fn one_number(row: &mut PipelineRecord, how: ListPhones) {
    let entries = row.get("phoneNumber").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_primary = |entry: &Value| entry.get("isPrimary").and_then(Value::as_bool) == Some(true);
    let primary = entries.iter().position(is_primary).unwrap_or(0);
    let shown = if matches!(how, ListPhones::PrimaryText | ListPhones::OnlyPrimary) { primary } else { 0 };
    let mut others: Vec<Value> = entries.iter().map(|entry| json!(entries::value(entry))).collect();
    let number = if others.is_empty() { Value::Null } else { others.remove(shown) };
    row.insert("phoneNumber".to_owned(), number);
    if how == ListPhones::OnlyPrimary {
        row.shift_remove("secondaryPhoneNumber");
        return;
    }
    others.extend(row.get("secondaryPhoneNumber").and_then(Value::as_array).cloned().unwrap_or_default());
    row.insert("secondaryPhoneNumber".to_owned(), Value::Array(others));
}

pub(super) fn refused(refusal: &PipelineRefusal, options: &PipelineOptions) -> SimulatedResponse {
    match refusal {
        PipelineRefusal::BadRequest(message) => failure(400, message),
        PipelineRefusal::NotFound => not_found(),
        PipelineRefusal::Conflict => {
            let status = match options.conflict {
                Conflict::Status409 => 409,
                Conflict::Status400 => 400,
                Conflict::Status422 => 422,
                Conflict::SuccessFalse => 200,
            };
            failure(status, "Phone number already exists in this organization")
        }
    }
}

pub(super) fn not_found() -> SimulatedResponse {
    failure(404, "Contact not found")
}

pub(super) fn failure(status: u16, message: &str) -> SimulatedResponse {
    SimulatedResponse::json(status, &json!({ "success": false, "message": message }))
}

pub(super) fn no_route(method: &str, path: &str) -> SimulatedResponse {
    let text = format!("Cannot {method} {path}");
    SimulatedResponse::html(
        404,
        &format!(
            "<!DOCTYPE html><html><head><title>Error</title></head><body><pre>{text}</pre></body></html>"
        ),
    )
}
