//! The request to a simulated CRM and its response, before network and faults.

use http::{HeaderMap, Method};
use serde_json::{Map, Value};

use super::{Disruption, Reading, WriteEffect};

/// One call, as the CRM's code sees it.
pub(crate) struct SimulatedRequest<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// What goes wrong when the record is stored.
    pub disruption: Option<&'a Disruption>,
}

impl SimulatedRequest<'_> {
    /// A query parameter; `None` if it is missing or empty.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// The path segments, without empty ones.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|piece| !piece.is_empty()).collect()
    }

    /// The body, if it is a JSON object.
    pub(crate) fn object(&self) -> Option<serde_json::Map<String, Value>> {
        serde_json::from_slice(self.body).ok()
    }
}

/// The response, with the effect of the call on the stored contacts.
pub(crate) struct SimulatedResponse {
    pub status: u16,
    pub content_type: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub applied: WriteEffect,
    pub alarm: Option<String>,
    /// Conversations that were deleted with contacts.
    pub conversations: u64,
}

impl SimulatedResponse {
    pub(crate) fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: Some(content_type.to_owned()),
            headers: Vec::new(),
            body: body.into(),
            applied: WriteEffect::None,
            alarm: None,
            conversations: 0,
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn html(status: u16, body: &str) -> Self {
        Self::text(status, "text/html; charset=utf-8", body)
    }

    /// No body and no content type.
    pub(crate) fn bare(status: u16) -> Self {
        Self { content_type: None, ..Self::text(status, "", "") }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn applied(mut self, applied: WriteEffect) -> Self {
        self.applied = applied;
        self
    }

    /// Records in the journal that this call did harm, or nearly did.
    pub(crate) fn alarm(mut self, text: impl Into<String>) -> Self {
        self.alarm = Some(text.into());
        self
    }
}

/// A CRM: its complete behaviour as one synchronous function over its stored contacts.
pub(crate) trait Crm: Send + Sync + 'static {
    /// The field with a contact's id. Views and faults take an object with this field for a contact.
    fn id_key(&self) -> &'static str;
    /// The token of a call, valid or not.
    fn token(&self, headers: &HeaderMap) -> Option<String>;
    /// Whether a call to this route may change a contact.
    fn may_write(&self, method: &str, path: &str) -> bool;
    /// The kind of reading in the response to this call, if any.
    fn reading(&self, method: &str, path: &str) -> Option<Reading>;
    fn respond(&self, request: &SimulatedRequest<'_>) -> SimulatedResponse;
    /// "Too many requests" in this CRM's format.
    fn too_many(&self) -> SimulatedResponse;
    /// A failure with status 200.
    fn refused(&self, message: &str) -> SimulatedResponse;
    /// One stored contact in the CRM's format.
    fn contact(&self, id: &str) -> Option<Value>;
    fn contacts(&self) -> Vec<Value>;
    /// Adds a contact without a call.
    fn put(&self, contact: Value) -> Option<String>;
    /// Changes these fields of a contact, as another client or the CRM itself would.
    fn change(&self, id: &str, fields: &Map<String, Value>) -> bool;
    /// Merges `other` into `primary`, which gets the addresses and numbers that it lacks.
    fn merge(&self, primary: &str, other: &str) -> bool;
    /// Removes a contact without a call.
    fn take_out(&self, id: &str) -> bool;
    /// Changes what the CRM shows of its own fields, as its administrator would. Returns whether the definition is known.
    fn define(&self, definition: &Value) -> bool;
    fn revoke(&self, token: &str);
}
