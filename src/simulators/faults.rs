//! The faults a test may order: what goes wrong, for which calls, how often.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Disruption, Shape};

/// What goes wrong. "Applied" means that the CRM did what was asked before the answer went wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Waits, then does what was asked and answers; applied late even if the client has gone.
    Latency { ms: u64 },
    /// Applied at once, answered late.
    LateAnswer { ms: u64 },
    /// Nothing applied, the line stays open in silence.
    NeverAnswer,
    /// Applied, then silence.
    AppliedNeverAnswers,
    /// Nothing applied; this answer instead.
    Status {
        code: u16,
        #[serde(default)]
        body: String,
        #[serde(default = "json_type")]
        content_type: String,
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Nothing applied; "too many requests" in the CRM's own shape.
    TooManyRequests { retry_after: Option<String> },
    /// Nothing applied; the connection is reset before the body is read.
    ResetBeforeReading,
    /// Applied; the connection is reset instead of an answer.
    ResetAfterApplying,
    /// Applied; reset after the head of the answer.
    ResetAfterHead,
    /// Applied; reset in the middle of the body.
    ResetMidBody,
    /// Applied; half of the declared body, then an orderly close.
    TruncatedBody,
    /// Applied; a well-framed body that is only half of the JSON.
    CutJson,
    /// Applied; chunked, and cut inside a chunk.
    CutChunk,
    /// Applied; a Content-Length off by so much, then an orderly close.
    WrongContentLength { by: i64 },
    /// Applied; a body of so many bytes, its length declared or not.
    Oversized { bytes: u64, declared: bool },
    /// Applied; one byte, a pause, one byte, …
    Drip {
        #[serde(default = "one_second")]
        ms: u64,
    },
    /// Applied; one byte of the body, then silence.
    Stall,
    /// Applied; a gzip body that unpacks to so many bytes, about a thousand to one.
    GzipBomb { bytes: u64 },
    /// Applied; the true body under another content type, or under none.
    ContentType { value: Option<String> },
    /// Applied; the true body packed with gzip so many times over, which the header says once.
    Gzip { layers: u32 },
    /// Applied; the whole answer, then a reset.
    AnsweredThenReset,
    /// Applied; the whole answer, then nothing, the line left open.
    AnsweredThenSilent,
    /// Applied; the true body between two texts.
    Around { before: String, after: String },
    /// Applied; the true body with its fields in another shape.
    Reshape { how: Shape },
    /// Applied; an HTML page.
    HtmlBody { status: u16 },
    /// Applied; any text as body under 200.
    Body { text: String },
    /// Applied; any bytes (here base64) as a JSON body under 200.
    Bytes { base64: String },
    /// Nothing applied; a redirect.
    Redirect { status: u16, location: String },
    /// Nothing applied; `success: false` or its like under 200.
    SuccessFalse { message: String },
    /// Applied; 200 with an empty body.
    EmptyAnswer,
    /// Applied; 204.
    NoContent,
    /// Applied; then this status with the CRM's usual error body.
    AppliedThen { status: u16 },
    /// Applied twice, answered once.
    AppliedTwice,
    /// Applied; an answer after so many `103`s.
    InformationalFlood { count: u32 },
    /// Applied; an answer with so many needless headers.
    ManyHeaders { count: u32 },
    /// Applied; an answer with one header of so many bytes.
    HugeHeader { bytes: usize },
    /// Before the call is served, somebody else changes these fields of the contact; of the one that the path names
    /// if none is given. The call itself goes well.
    Meanwhile {
        #[serde(default)]
        contact: Option<String>,
        set: Map<String, Value>,
    },
    /// Before the call is served, somebody else merges `other` into `primary`. The call itself goes well.
    MergedMeanwhile { primary: String, other: String },
    /// The record is stored with one field gone wrong; meets calls that may write only.
    Field(Disruption),
}

fn json_type() -> String {
    "application/json".to_owned()
}

const fn one_second() -> u64 {
    1000
}

/// A fault, and the calls it is meant for. Unset limits match every call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    #[serde(flatten)]
    pub kind: FaultKind,
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls to this path; a piece `*` stands for any one piece.
    #[serde(default)]
    pub path: Option<String>,
    /// Only calls that may write a contact, so that reads before a write do not use the fault up.
    #[serde(default)]
    pub writes_only: bool,
    /// So many matching calls go well first.
    #[serde(default)]
    pub skip: u32,
    /// Then so many meet the fault; every one when unset.
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

    /// Only for this method and path.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// Only for calls that bear this token.
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

    /// Lets so many matching calls go well first.
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

/// Handle to the waiting faults of one simulator. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct ArmedFaults {
    waiting: Arc<Mutex<Vec<Fault>>>,
}

impl ArmedFaults {
    /// Adds a fault behind those waiting; a call meets the first that matches it.
    pub fn add(&self, fault: Fault) {
        self.waiting.lock().push(fault);
    }

    /// Takes all faults back.
    pub fn clear(&self) {
        self.waiting.lock().clear();
    }

    #[must_use]
    pub fn waiting(&self) -> Vec<Fault> {
        self.waiting.lock().clone()
    }

    /// The fault this call meets; counts it.
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
