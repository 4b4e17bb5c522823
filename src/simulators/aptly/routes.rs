//! Aptly's routes and their responses.

use std::collections::HashSet;

use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::boards::{self, Board};
use super::change::RecordChange;
use super::records::{AptlyRecords, AptlyRefusal, Written, has_email};
use super::{AptlyOptions, ByEmail, Dialect, Me, UnknownRead, UnknownWrite, lists, spelling};
use crate::simulators::crm::{Crm, SimulatedRequest, SimulatedResponse};
use crate::simulators::{Reading, people};

pub(super) struct AptlyCrm {
    options: AptlyOptions,
    records: Mutex<AptlyRecords>,
    revoked: Mutex<HashSet<String>>,
    boards: Mutex<Vec<Board>>,
}

impl AptlyCrm {
    pub(super) fn new(mut options: AptlyOptions) -> Self {
        let now = options.clock.now();
        let mut records = AptlyRecords::new(&people::invent(options.people, 0x5EED), now);
        for contact in std::mem::take(&mut options.contacts) {
            let Value::Object(contact) = contact else { continue };
            records.put(contact, now);
        }
        let boards = Mutex::new(boards::initial());
        Self { options, records: Mutex::new(records), revoked: Mutex::default(), boards }
    }

    fn admits(&self, token: Option<&str>) -> bool {
        let revoked = self.revoked.lock();
        token.is_some_and(|token| {
            self.options.tokens.iter().any(|known| known == token) && !revoked.contains(token)
        })
    }

    fn route(&self, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let v3 = self.options.dialect == Dialect::V3;
        match (request.method.as_str(), request.segments().as_slice()) {
            ("GET", ["api", "contacts"]) => lists::list(&self.records.lock(), &self.options, request)
                .unwrap_or_else(|message| bad_request(&message)),
            ("POST", ["api", "contacts"]) => self.create(request),
            ("POST", ["api", "contacts", "by-email"]) if v3 => self.by_email(request),
            ("POST", ["api", "contacts", "verify-email"]) => {
                SimulatedResponse::json(200, &json!({ "requestId": "request1" }))
                    .alarm("a code was mailed to a person")
            }
            ("GET", ["api", "contacts", id]) => self.get(id),
            ("POST", ["api", "contacts", id]) => self.update(id, request),
            ("GET", ["api", "app", "me"]) => self.me(),
            ("GET", ["api", "boards"]) => SimulatedResponse::json(200, &boards::shown(&self.boards.lock())),
            ("GET", ["api", "board", id, "configuration"]) => {
                match boards::configuration(&self.boards.lock(), id) {
                    Some(configuration) => SimulatedResponse::json(200, &configuration),
                    None => error(404, "Not Found", "Board not found"),
                }
            }
            ("GET", ["api", "users"]) => SimulatedResponse::json(
                200,
                &json!({ "data": [
                { "_id": "uS3r1AbCdEfGhJkLm", "name": "Robin Example", "role": "admin" },
            ] }),
            ),
            _ => error(404, "Not Found", "No such route"),
        }
    }

    fn me(&self) -> SimulatedResponse {
        let company = &self.options.company_id;
        let account = json!({ "type": "apiKey", "companyId": company, "companyName": "Example Properties" });
        match (self.options.me, self.options.dialect) {
            (Me::Account, _) | (Me::ByDialect, Dialect::V3) => SimulatedResponse::json(200, &account),
            (Me::NotFound, _) | (Me::ByDialect, Dialect::V2) => error(404, "Not Found", "No such route"),
            (Me::NotAllowed, _) => error(405, "Method Not Allowed", "No such method").header("allow", "POST"),
            (Me::OtherJson, _) => SimulatedResponse::json(200, &json!({ "status": "ok" })),
        }
    }

    /// The body's `_id` is used here. The response does not show whether a contact was created or updated.
    fn create(&self, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let Some(body) = request.object() else { return bad_request("The body must be a JSON object") };
        let change = match RecordChange::read(&body, &self.options) {
            Ok(change) => change,
            Err(message) => return bad_request(&message),
        };
        let id = body.get("_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        match self.records.lock().upsert(id, &change, &self.options, request.disruption) {
            Ok(Written { shown, applied }) => {
                let shown = match self.options.dialect {
                    Dialect::V2 => spelling::created(&shown, &self.options.company_id),
                    Dialect::V3 => spelling::alone(&shown, &self.options),
                };
                SimulatedResponse::json(200, &shown).applied(applied)
            }
            Err(refusal) => refused(refusal),
        }
    }

    /// The body's `_id` is ignored here.
    fn update(&self, id: &str, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let Some(body) = request.object() else { return bad_request("The body must be a JSON object") };
        let change = match RecordChange::read(&body, &self.options) {
            Ok(change) => change,
            Err(message) => return bad_request(&message),
        };
        let trapped = id == "by-email";
        let mut options = self.options.clone();
        if trapped && options.by_email == ByEmail::WritesAContact {
            options.unknown_write = UnknownWrite::Creates;
        }
        let answer = match self.records.lock().upsert(Some(id), &change, &options, request.disruption) {
            Ok(Written { shown, applied }) => {
                let body = match options.dialect {
                    Dialect::V2 => json!({}),
                    Dialect::V3 => spelling::alone(&shown, &options),
                };
                SimulatedResponse::json(200, &body).applied(applied)
            }
            Err(refusal) => refused(refusal),
        };
        if trapped { answer.alarm("by-email was used as the id of a contact in a write") } else { answer }
    }

    fn get(&self, id: &str) -> SimulatedResponse {
        let records = self.records.lock();
        let v3 = self.options.dialect == Dialect::V3;
        match (records.get(id), self.options.unknown_read) {
            (Some(record), _) => {
                let alone = spelling::alone(record, &self.options);
                let size = self.options.page_size;
                let wrapped = json!({ "data": [alone], "count": 1, "page": 0, "pageSize": size });
                SimulatedResponse::json(200, if v3 { &wrapped } else { &alone })
            }
            (None, UnknownRead::NotFound) => not_found(),
            (None, UnknownRead::Null) => SimulatedResponse::json(200, &Value::Null),
            (None, UnknownRead::EmptyObject) => SimulatedResponse::json(200, &json!({})),
            (None, UnknownRead::EmptyPage) => SimulatedResponse::json(
                200,
                &json!({ "data": [], "count": 0, "page": 0, "pageSize": self.options.page_size }),
            ),
            (None, UnknownRead::BadRequest) => bad_request("Invalid contact id"),
        }
    }

    fn by_email(&self, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let body = request.object().unwrap_or_default();
        let wanted: Vec<_> = match body.get("email") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => return bad_request("email is required"),
        };
        let number = |key: &str, usual: u64| body.get(key).and_then(Value::as_u64).unwrap_or(usual);
        let [skip, limit] =
            [number("skip", 0), number("limit", 20)].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let records = self.records.lock();
        let found = records.all().filter(|record| wanted.iter().any(|email| has_email(record, email)));
        let shown = found.skip(skip).take(limit).map(|record| spelling::alone(record, &self.options));
        SimulatedResponse::json(200, &json!({ "contacts": shown.collect::<Vec<_>>() }))
    }
}

impl Crm for AptlyCrm {
    fn id_key(&self) -> &'static str {
        "_id"
    }

    fn token(&self, headers: &HeaderMap) -> Option<String> {
        headers.get("x-token").and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    fn may_write(&self, method: &str, path: &str) -> bool {
        let looks_up = self.options.dialect == Dialect::V3 && path == "/api/contacts/by-email";
        method == "POST" && path.starts_with("/api/contacts") && !looks_up
    }

    fn reading(&self, method: &str, path: &str) -> Option<Reading> {
        match (method, path.strip_prefix("/api/contacts")?.trim_matches('/')) {
            ("GET", "") => Some(Reading::Row),
            ("POST", "by-email") if self.options.dialect == Dialect::V3 => Some(Reading::Single),
            ("GET", _) => Some(Reading::Single),
            ("POST", _) => Some(Reading::Written),
            _ => None,
        }
    }

    fn respond(&self, request: &SimulatedRequest<'_>) -> SimulatedResponse {
        let in_address = request.parameter("x-token");
        let token = self.token(request.headers).or_else(|| {
            // The only route that takes the key in the URL.
            in_address.filter(|_| request.path == "/api/app/me").map(str::to_owned)
        });
        let answer = match self.admits(token.as_deref()) {
            true => self.route(request),
            false if self.options.bare_401 => SimulatedResponse::bare(401),
            false => error(401, "Unauthorized", "Invalid or missing API key"),
        };
        if in_address.is_some() { answer.alarm("the key was sent in the URL") } else { answer }
    }

    fn too_many(&self) -> SimulatedResponse {
        SimulatedResponse::json(429, &json!({ "reason": "Rate limit exceeded. Try again shortly." }))
    }

    fn refused(&self, message: &str) -> SimulatedResponse {
        SimulatedResponse::json(200, &json!({ "success": false, "error": "Error", "message": message }))
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
        self.records.lock().take_out(id)
    }

    fn define(&self, definition: &Value) -> bool {
        boards::define(&mut self.boards.lock(), definition)
    }

    fn revoke(&self, token: &str) {
        self.revoked.lock().insert(token.to_owned());
    }
}

fn refused(refusal: AptlyRefusal) -> SimulatedResponse {
    match refusal {
        AptlyRefusal::BadRequest(message) => bad_request(&message),
        AptlyRefusal::NotFound => not_found(),
        AptlyRefusal::Ignored => SimulatedResponse::json(200, &json!({})),
    }
}

fn not_found() -> SimulatedResponse {
    error(404, "Not Found", "Contact not found")
}

fn bad_request(message: &str) -> SimulatedResponse {
    error(400, "Bad Request", message)
}

fn error(status: u16, error: &str, message: &str) -> SimulatedResponse {
    SimulatedResponse::json(status, &json!({ "error": error, "message": message }))
}
