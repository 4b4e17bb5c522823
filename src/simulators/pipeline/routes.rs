//! The pipeline CRM's routes and their permissions.

use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::records::{PipelineRecord, PipelineRecords};
use super::users::{self, Sessions};
use super::writes::{self, UpdateMethod};
use super::{PipelineOptions, SingleRead, destructive, entries, lists, responses, stages};
use crate::simulators::crm::{Crm, SimulatedRequest, SimulatedResponse};
use crate::simulators::{Reading, WriteEffect, people};

pub(super) struct PipelineCrm {
    options: PipelineOptions,
    records: Mutex<PipelineRecords>,
    sessions: Mutex<Sessions>,
}

impl PipelineCrm {
    pub(super) fn new(options: PipelineOptions) -> Self {
        let now = options.clock.now();
        let mut records = PipelineRecords::new(&people::invent(options.people, 0xBEEF), now);
        for contact in options.contacts.iter().filter_map(Value::as_object) {
            records.put(contact.clone(), now);
        }
        let sessions = Mutex::new(Sessions::new(&options.tokens));
        Self { options, records: Mutex::new(records), sessions }
    }

    fn route(&self, user: usize, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let (records, options) = (&mut *self.records.lock(), &self.options);
        match (request.method.as_str(), request.segments().as_slice()) {
            ("GET", ["api", "contacts"]) => lists::list(records, options, user, request)
                .unwrap_or_else(|message| responses::failure(400, &message)),
            ("POST", ["api", "contacts"]) => lists::buckets(records, options, request),
            ("POST", ["api", "contact"]) => self.create(records, user, request),
            ("PUT", ["api", "contact"]) => self.put_whole(records, request),
            ("DELETE", ["api", "contacts", "bulk-delete"]) => destructive::bulk_delete(records, request),
            ("DELETE", ["api", "contacts", "query-bulk-delete"]) => destructive::delete_everything(records),
            ("GET", ["api", "contacts", "bulk-job", _]) => {
                SimulatedResponse::json(200, &json!({ "status": "completed" }))
            }
            ("GET", ["api", "contacts", id]) => self.get(records, id, request),
            ("PATCH", ["api", "contacts", id]) => self.patch(records, id, request),
            ("GET", ["api", "pipelines"]) => pipelines(records, request),
            ("GET", ["api", "organizations", "sections", id]) => sections(id, request),
            ("POST", ["api", "campaigns", "validate-contacts"]) => self.validate(records, request),
            ("POST", ["api", "webhook", "outreach"]) => destructive::outreach(records, options, request),
            ("GET", ["api", "user", "list"]) => SimulatedResponse::json(200, &self.sessions.lock().shown()),
            ("GET", ["api", "user", "profile"]) => SimulatedResponse::json(200, &users::logged_in(user)),
            ("GET", ["api", "auth", "verify-token"]) => {
                SimulatedResponse::json(200, &json!({ "message": "Token is good" }))
            }
            (method, _) => responses::no_route(method, request.path),
        }
    }

    fn create(
        &self,
        records: &mut PipelineRecords,
        user: usize,
        request: &SimulatedRequest<'_>,
    ) -> SimulatedResponse {
        match writes::create(records, &self.options, user, request) {
            Ok(record) => {
                responses::created(&record, &self.options).applied(WriteEffect::Created(id_of(&record)))
            }
            Err(refusal) => responses::refused(&refusal, &self.options),
        }
    }

    fn patch(
        &self,
        records: &mut PipelineRecords,
        id: &str,
        request: &SimulatedRequest<'_>,
    ) -> SimulatedResponse {
        match writes::update(records, &self.options, id, UpdateMethod::Patch, request) {
            Ok(record) => {
                responses::updated(&record, &self.options).applied(WriteEffect::Updated(id_of(&record)))
            }
            Err(refusal) => responses::refused(&refusal, &self.options),
        }
    }

    /// The id is in the body here, and the response has the contact at the top level.
    fn put_whole(&self, records: &mut PipelineRecords, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let body = request.object().unwrap_or_default();
        let Some(id) = body.get("_id").and_then(Value::as_str) else {
            return responses::failure(400, "_id is required");
        };
        match writes::update(records, &self.options, id, UpdateMethod::Put, request) {
            Ok(record) => {
                let shown =
                    json!({ "message": "Contact updated successfully", "success": true, "contact": record });
                SimulatedResponse::json(200, &shown).applied(WriteEffect::Updated(id_of(&record)))
            }
            Err(refusal) => responses::refused(&refusal, &self.options),
        }
    }

    fn get(&self, records: &PipelineRecords, id: &str, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        match (self.options.single_read, records.get(id)) {
            (SingleRead::Present, Some(record)) => {
                SimulatedResponse::json(200, &json!({ "success": true, "data": { "contact": record } }))
            }
            (SingleRead::Present, None) => responses::not_found(),
            (SingleRead::AbsentHtml, _) => responses::no_route("GET", request.path),
            (SingleRead::AbsentJson, _) => SimulatedResponse::json(404, &json!({ "error": "Not Found" })),
            (SingleRead::MethodNotAllowed, _) => {
                SimulatedResponse::json(405, &json!({ "error": "Method Not Allowed" }))
                    .header("allow", "PATCH")
            }
        }
    }

    /// Returns which of the given numbers belong to existing contacts.
    fn validate(&self, records: &PipelineRecords, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let body = request.object().unwrap_or_default();
        let Some(given) = body.get("contacts").and_then(Value::as_array) else {
            return responses::failure(400, "contacts must be an array");
        };
        let (mut new, mut existing, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
        for contact in given {
            let text = contact.get("phoneNumber").map(entries::value).unwrap_or_default();
            let number = entries::e164(text, self.options.default_region);
            let holder = number.as_deref().and_then(|number| records.holder_of(&[number], None));
            match (number, holder) {
                (None, _) => invalid.push(json!({ "phoneNumber": text })),
                (Some(number), None) => new.push(json!({ "phoneNumber": number })),
                (Some(number), Some(holder)) => {
                    existing.push(json!({ "_id": id_of(holder), "phoneNumber": number }));
                }
            }
        }
        let sorted = json!({ "newContacts": new, "existingContacts": existing, "invalidContacts": invalid });
        SimulatedResponse::json(200, &json!({ "success": true, "data": sorted }))
    }

    fn log_in(&self, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let body = request.object().unwrap_or_default();
        let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        if word("password") != self.options.password {
            return SimulatedResponse::json(401, &json!({ "error": "Invalid credentials" }));
        }
        match self.sessions.lock().log_in(word("email")) {
            Some((token, user)) => {
                SimulatedResponse::json(200, &json!({ "token": token, "user": users::logged_in(user) }))
            }
            None => SimulatedResponse::json(401, &json!({ "error": "Invalid credentials" })),
        }
    }
}

impl Crm for PipelineCrm {
    fn id_key(&self) -> &'static str {
        "_id"
    }

    fn token(&self, headers: &HeaderMap) -> Option<String> {
        let value = headers.get("authorization")?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    }

    fn may_write(&self, method: &str, path: &str) -> bool {
        match method {
            "POST" | "PUT" => path == "/api/contact",
            "PATCH" | "DELETE" => path.starts_with("/api/contacts/"),
            _ => false,
        }
    }

    fn reading(&self, method: &str, path: &str) -> Option<Reading> {
        match (method, path) {
            ("GET" | "POST", "/api/contacts") => Some(Reading::Row),
            ("POST" | "PUT", "/api/contact") => Some(Reading::Written),
            ("GET", path) if path.starts_with("/api/contacts/") => Some(Reading::Single),
            ("PATCH", path) if path.starts_with("/api/contacts/") => Some(Reading::Written),
            _ => None,
        }
    }

    fn respond(&self, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        if request.method == http::Method::POST && request.path == "/api/auth/login" {
            return self.log_in(request);
        }
        let user = self.sessions.lock().user(self.token(request.headers).as_deref());
        match user {
            Some(user) => self.route(user, request),
            None => SimulatedResponse::json(401, &json!({ "error": "Invalid or expired token" })),
        }
    }

    fn too_many(&self) -> SimulatedResponse {
        SimulatedResponse::json(429, &json!({ "error": "Too many requests" }))
    }

    fn refused(&self, message: &str) -> SimulatedResponse {
        responses::failure(200, message)
    }

    fn contact(&self, id: &str) -> Option<Value> {
        self.records.lock().get(id).cloned().map(Value::Object)
    }

    fn contacts(&self) -> Vec<Value> {
        self.records.lock().all().cloned().map(Value::Object).collect()
    }

    fn put(&self, contact: Value) -> Option<String> {
        let record = contact.as_object()?.clone();
        Some(self.records.lock().put(record, self.options.clock.tick()))
    }

    fn change(&self, id: &str, fields: &Map<String, Value>) -> bool {
        self.records.lock().change(id, fields, self.options.clock.tick())
    }

    fn merge(&self, primary: &str, other: &str) -> bool {
        self.records.lock().merge(primary, other, self.options.clock.tick())
    }

    fn take_out(&self, id: &str) -> bool {
        !self.records.lock().delete(&[id]).0.is_empty()
    }

    fn define(&self, definition: &Value) -> bool {
        self.records.lock().pipelines.define(definition)
    }

    fn revoke(&self, token: &str) {
        self.sessions.lock().revoke(token);
    }
}

fn pipelines(records: &PipelineRecords, request: &SimulatedRequest<'_>) -> SimulatedResponse {
    let of_contacts = request.parameter("type").is_none_or(|kind| kind == "Contact");
    match records.pipelines.pipeline(request.parameter("pipelineId")).filter(|_| of_contacts) {
        Some(pipeline) => SimulatedResponse::json(200, &stages::shown(pipeline)),
        None => responses::failure(404, "Pipeline not found"),
    }
}

fn sections(organization: &str, request: &SimulatedRequest<'_>) -> SimulatedResponse {
    if organization == users::ORGANIZATION && request.parameter("type") == Some("Contact") {
        SimulatedResponse::json(200, &stages::sections())
    } else {
        responses::failure(404, "Organization not found")
    }
}

fn id_of(record: &PipelineRecord) -> String {
    record.get("_id").and_then(Value::as_str).unwrap_or_default().to_owned()
}
