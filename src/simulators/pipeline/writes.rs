//! Creates and updates: what a body may contain, and its effect.

use serde_json::{Map, Value, json};

use super::records::{PipelineRecord, PipelineRecords};
use super::{PipelineOptions, entries, stages, users};
use crate::simulators::clock::stored;
use crate::simulators::crm::SimulatedRequest;
use crate::simulators::disruption::compose;

pub(super) enum PipelineRefusal {
    BadRequest(String),
    /// Another contact has the number.
    Conflict,
    NotFound,
}

impl From<String> for PipelineRefusal {
    fn from(message: String) -> Self {
        Self::BadRequest(message)
    }
}

/// The method of an update; the two accept different fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UpdateMethod {
    /// `PATCH /api/contacts/{id}`.
    Patch,
    /// `PUT /api/contact`, which does not normalise numbers.
    Put,
}

/// Creates a contact for this user.
pub(super) fn create(
    records: &mut PipelineRecords,
    options: &PipelineOptions,
    user: usize,
    request: &SimulatedRequest<'_>,
) -> Result<PipelineRecord, PipelineRefusal> {
    let body = object(request)?;
    let given = body.get("phoneNumber").ok_or_else(|| "phoneNumber is required".to_owned())?;
    let phones = entries::phones(given, options.default_region)?;
    refuse_numbers(records, options, &phones, None)?;
    let mut record = PipelineRecord::from_iter([("phoneNumber".to_owned(), Value::Array(phones))]);
    record.insert("secondaryPhoneNumber".to_owned(), json!([]));
    names(&body, &mut record)?;
    if let Some(process) = body.get("process").filter(|value| !value.is_null()) {
        record.insert("process".to_owned(), process.clone());
    }
    stages::settle(&records.pipelines, &body, &mut record, true)?;
    resolve(options, &mut record);
    let owner = users::id(user);
    let (now, id) = (stored(options.clock.tick()), records.new_id());
    record.extend([
        ("_id".to_owned(), json!(id)),
        ("organizationId".to_owned(), json!(users::ORGANIZATION)),
        ("userId".to_owned(), json!(owner)),
        ("createdBy".to_owned(), json!(owner)),
        ("assignees".to_owned(), json!([owner])),
        ("createdAt".to_owned(), json!(now)),
        ("updatedAt".to_owned(), json!(now)),
        ("__v".to_owned(), json!(0)),
    ]);
    Ok(records.write(&id, record, request.disruption))
}

/// Changes the fields in a body; unknown fields are ignored.
pub(super) fn update(
    records: &mut PipelineRecords,
    options: &PipelineOptions,
    id: &str,
    way: UpdateMethod,
    request: &SimulatedRequest<'_>,
) -> Result<PipelineRecord, PipelineRefusal> {
    let body = object(request)?;
    let mut record = records.get(id).cloned().ok_or(PipelineRefusal::NotFound)?;
    if options.patch_takes_names || way == UpdateMethod::Put {
        names(&body, &mut record)?;
    }
    match (body.get("phoneNumber"), way) {
        (None, _) => {}
        (Some(given), UpdateMethod::Patch) => {
            let phones = entries::phones(given, options.default_region)?;
            refuse_numbers(records, options, &phones, Some(id))?;
            record.insert("phoneNumber".to_owned(), Value::Array(phones));
        }
        (Some(given), UpdateMethod::Put) => {
            record.insert("phoneNumber".to_owned(), given.clone());
        }
    }
    if let Some(process) = body.get("process") {
        record.insert("process".to_owned(), process.clone());
    }
    stages::settle(&records.pipelines, &body, &mut record, false)?;
    resolve(options, &mut record);
    record.insert("updatedAt".to_owned(), json!(stored(options.clock.tick())));
    Ok(records.write(id, record, request.disruption))
}

/// Converts texts to their stored form, if the option is set.
fn resolve(options: &PipelineOptions, record: &mut PipelineRecord) {
    if !options.resolves {
        return;
    }
    compose(record);
    for key in ["firstName", "lastName"] {
        if let Some(Value::String(name)) = record.get_mut(key) {
            *name = name.trim().to_owned();
        }
    }
}

fn object(request: &SimulatedRequest<'_>) -> Result<Map<String, Value>, PipelineRefusal> {
    request.object().ok_or_else(|| PipelineRefusal::BadRequest("Invalid request body".to_owned()))
}

/// First name, last name and e-mail; `null` clears.
fn names(body: &Map<String, Value>, record: &mut PipelineRecord) -> Result<(), String> {
    for key in ["firstName", "lastName"] {
        match body.get(key) {
            None => {}
            Some(value @ (Value::String(_) | Value::Null)) => {
                record.insert(key.to_owned(), value.clone());
            }
            Some(_) => return Err(format!("{key} must be a string")),
        }
        if body.contains_key(key) {
            // From now on the full name is derived from the two names.
            record.shift_remove("fullName");
        }
    }
    if let Some(given) = body.get("email") {
        record.insert("email".to_owned(), entries::emails(given)?);
    }
    Ok(())
}

fn refuse_numbers(
    records: &PipelineRecords,
    options: &PipelineOptions,
    phones: &[Value],
    except: Option<&str>,
) -> Result<(), PipelineRefusal> {
    let numbers: Vec<_> = phones.iter().map(entries::value).collect();
    if options.own_numbers.iter().any(|own| numbers.contains(&own.as_str())) {
        return Err(PipelineRefusal::BadRequest(
            "This number is one of your organization's SMS numbers".to_owned(),
        ));
    }
    match records.holder_of(&numbers, except) {
        Some(_) => Err(PipelineRefusal::Conflict),
        None => Ok(()),
    }
}
