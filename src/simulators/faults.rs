//! The faults that a test can set: what goes wrong, for which calls, how often.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Disruption, Shape};

/// What goes wrong. "Applied" means that the CRM did what was requested before the response failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Waits, then applies and responds; applied late even if the client has disconnected.
    Latency { ms: u64 },
    /// Applied at once; the response is late.
    LateAnswer { ms: u64 },
    /// Nothing applied; no response, and the connection stays open.
    NeverAnswer,
    /// Applied; no response, and the connection stays open.
    AppliedNeverAnswers,
    /// Nothing applied; this response instead.
    Status {
        code: u16,
        #[serde(default)]
        body: String,
        #[serde(default = "json_type")]
        content_type: String,
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Nothing applied; "too many requests" in the CRM's own format.
    TooManyRequests { retry_after: Option<String> },
    /// Nothing applied; the connection is reset before the body is read.
    ResetBeforeReading,
    /// Applied; the connection is reset instead of a response.
    ResetAfterApplying,
    /// Applied; reset after the head of the response.
    ResetAfterHead,
    /// Applied; reset in the body.
    ResetMidBody,
    /// Applied; half of the declared body, then a normal close.
    TruncatedBody,
    /// Applied; a correctly framed body with only half of the JSON.
    CutJson,
    /// Applied; chunked, and cut inside a chunk.
    CutChunk,
    /// Applied; a Content-Length that is wrong by so much, then a normal close.
    WrongContentLength { by: i64 },
    /// Applied; a body of so many bytes, with or without a declared length.
    Oversized { bytes: u64, declared: bool },
    /// Applied; one byte, a pause, one byte, …
    Drip {
        #[serde(default = "one_second")]
        ms: u64,
    },
    /// Applied; one byte of the body, then nothing more.
    Stall,
    /// Applied; a gzip body that unpacks to so many bytes, about a thousand to one.
    GzipBomb { bytes: u64 },
    /// Applied; the body with another content type, or with none.
    ContentType { value: Option<String> },
    /// Applied; the body is compressed with gzip so many times, and the header says it once.
    Gzip { layers: u32 },
    /// Applied; the whole response, then a reset.
    AnsweredThenReset,
    /// Applied; the whole response, then nothing; the connection stays open.
    AnsweredThenSilent,
    /// Applied; the body between two texts.
    Around { before: String, after: String },
    /// Applied; the body with fields of another type.
    Reshape { how: Shape },
    /// Applied; an HTML page.
    HtmlBody { status: u16 },
    /// Applied; any text as the body, with status 200.
    Body { text: String },
    /// Applied; any bytes (in base64) as a JSON body, with status 200.
    Bytes { base64: String },
    /// Nothing applied; a redirect.
    Redirect { status: u16, location: String },
    /// Nothing applied; `success: false` or the like with status 200.
    SuccessFalse { message: String },
    /// Applied; status 200 with an empty body.
    EmptyAnswer,
    /// Applied; status 204.
    NoContent,
    /// Applied; then this status with the CRM's usual error body.
    AppliedThen { status: u16 },
    /// Applied twice, one response.
    AppliedTwice,
    /// Applied; a response after so many `103`s.
    InformationalFlood { count: u32 },
    /// Applied; a response with so many additional headers.
    ManyHeaders { count: u32 },
    /// Applied; a response with one header of so many bytes.
    HugeHeader { bytes: usize },
    /// Before the call is handled, another client changes these fields of the contact (by default the contact in the path).
    /// The call itself succeeds.
    Meanwhile {
        #[serde(default)]
        contact: Option<String>,
        set: Map<String, Value>,
    },
    /// Before the call is handled, another client merges `other` into `primary`. The call itself succeeds.
    MergedMeanwhile { primary: String, other: String },
    /// One field of the record is stored wrongly. Only affects calls that may write.
    Field(Disruption),
}

fn json_type() -> String {
    "application/json".to_owned()
}

const fn one_second() -> u64 {
    1000
}

/// A fault, and the calls that it affects. Unset limits match every call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    #[serde(flatten)]
    pub kind: FaultKind,
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls to this path; a segment `*` matches any segment.
    #[serde(default)]
    pub path: Option<String>,
    /// Only calls that may write a contact, so that reads before a write do not use up the fault.
    #[serde(default)]
    pub writes_only: bool,
    /// So many matching calls succeed first.
    #[serde(default)]
    pub skip: u32,
    /// Then so many calls are affected; all of them if unset.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Fault {
    /// For every call until the faults are cleared.
    #[must_use]
    pub fn always(kind: FaultKind) -> Self {
        Self { kind, token: None, method: None, path: None, writes_only: false, skip: 0, times: None }
    }

    /// For the next matching call.
    #[must_use]
    pub fn once(kind: FaultKind) -> Self {
        Self { times: Some(1), ..Self::always(kind) }
    }

    /// For the next `times` matching calls.
    #[must_use]
    pub fn next(times: u32, kind: FaultKind) -> Self {
        Self { times: Some(times), ..Self::always(kind) }
    }

    /// Only calls with this method and path.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// Only calls with this token.
    #[must_use]
    pub fn bearing(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Only calls that may write a contact.
    #[must_use]
    pub fn on_writes(mut self) -> Self {
        self.writes_only = true;
        self
    }

    /// Lets so many matching calls succeed first.
    #[must_use]
    pub const fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    fn matches(&self, token: Option<&str>, method: &str, path: &str, may_write: bool) -> bool {
        let only_writes = self.writes_only || matches!(self.kind, FaultKind::Field(_));
        (may_write || !only_writes)
            && self.token.as_deref().is_none_or(|wanted| token == Some(wanted))
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|wanted| same_path(wanted, path))
    }
}

fn same_path(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == "*" || wanted == given => {}
            _ => return false,
        }
    }
}

/// The faults of one simulator. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct ArmedFaults {
    waiting: Arc<Mutex<Vec<Fault>>>,
}

impl ArmedFaults {
    /// Appends a fault. The first fault that matches a call affects it.
    pub fn add(&self, fault: Fault) {
        self.waiting.lock().push(fault);
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.waiting.lock().clear();
    }

    #[must_use]
    pub fn waiting(&self) -> Vec<Fault> {
        self.waiting.lock().clone()
    }

    /// Takes and counts the fault that affects this call.
    pub(crate) fn meet(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        may_write: bool,
    ) -> Option<FaultKind> {
        let mut waiting = self.waiting.lock();
        let mut met = None;
        for fault in waiting.iter_mut().filter(|fault| fault.matches(token, method, path, may_write)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times = fault.times.map(|left| left.saturating_sub(1));
            met = Some(fault.kind.clone());
            break;
        }
        waiting.retain(|fault| fault.times != Some(0));
        met
    }
}
