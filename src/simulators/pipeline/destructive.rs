//! The harmful calls: deletions that include conversations, and text messages to people.

use serde_json::{Value, json};

use super::records::PipelineRecords;
use super::{PipelineOptions, entries, responses};
use crate::simulators::WriteEffect;
use crate::simulators::clock::stored;
use crate::simulators::crm::{SimulatedRequest, SimulatedResponse};

/// Handles `DELETE /api/contacts/bulk-delete`.
pub(super) fn bulk_delete(
    records: &mut PipelineRecords,
    request: &SimulatedRequest<'_>,
) -> SimulatedResponse {
    let body = request.object().unwrap_or_default();
    let Some(ids) = body.get("contactIds").and_then(Value::as_array) else {
        return responses::failure(400, "contactIds must be an array");
    };
    let ids: Vec<_> = ids.iter().filter_map(Value::as_str).collect();
    let (gone, conversations) = records.delete(&ids);
    let message = format!("{} contacts deleted successfully", gone.len());
    let mut answer = SimulatedResponse::json(200, &json!({ "message": message, "deletedCount": gone.len() }));
    if ids.is_empty() {
        return answer.alarm("a deletion without any id was sent; the effect on a real server is unknown");
    }
    if gone.is_empty() {
        return answer;
    }
    answer.conversations = conversations;
    answer.applied(WriteEffect::Deleted(gone))
}

/// Handles `DELETE /api/contacts/query-bulk-delete`, which the gateway must never call.
pub(super) fn delete_everything(records: &mut PipelineRecords) -> SimulatedResponse {
    let gone = records.clear();
    let alarm = format!("all {} contacts were deleted", gone.len());
    SimulatedResponse::json(
        202,
        &json!({ "jobId": "64f0a1b2c3d4e5f6a7b8cc01", "message": "Bulk delete started" }),
    )
    .alarm(alarm)
    .applied(WriteEffect::Deleted(gone))
}

/// Handles `POST /api/webhook/outreach`: stores a lead with its number and texts the person.
pub(super) fn outreach(
    records: &mut PipelineRecords,
    options: &PipelineOptions,
    request: &SimulatedRequest<'_>,
) -> SimulatedResponse {
    let body = request.object().unwrap_or_default();
    let given =
        body.get("phoneNumber").or_else(|| body.get("phone")).or_else(|| body.get("contact")?.get("phone"));
    let number = given.map(entries::value).and_then(|text| entries::e164(text, options.default_region));
    let Some(number) = number else { return responses::failure(400, "phone is required") };
    let known =
        records.holder_of(&[&number], None).and_then(|record| record.get("_id")).and_then(Value::as_str);
    let now = options.clock.tick();
    let applied = if let Some(id) = known.map(str::to_owned) {
        let mut record = records.get(&id).cloned().unwrap_or_default();
        record.insert("updatedAt".to_owned(), json!(stored(now)));
        records.write(&id, record, None);
        WriteEffect::Updated(id)
    } else {
        let mut record = serde_json::Map::new();
        record.insert("phoneNumber".to_owned(), json!([{ "value": number, "isPrimary": true }]));
        record.insert("source".to_owned(), json!("outreach"));
        WriteEffect::Created(records.put(record, now))
    };
    SimulatedResponse::json(200, &json!({ "success": true })).alarm("texted a person").applied(applied)
}
