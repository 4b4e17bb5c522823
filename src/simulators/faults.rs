//! The faults that a test can set: what goes wrong, for which calls, how often.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::FaultKind;
use super::fault_kinds::{FaultDoc, FaultField, FieldType};

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

/// Why a text is not a fault.
#[derive(Debug)]
pub enum FaultError {
    /// No kind, or a kind that does not exist.
    UnknownKind(String),
    /// A field that neither the kind nor every fault has.
    UnknownField { kind: &'static FaultDoc, name: String },
    /// A field is missing or has a value of another type.
    Invalid(String),
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind(kind) if kind.is_empty() => f.write_str("a fault needs a kind"),
            Self::UnknownKind(kind) => write!(f, "there is no fault `{kind}`"),
            Self::UnknownField { kind, name } => write!(f, "the fault `{}` has no field `{name}`", kind.name),
            Self::Invalid(sentence) => f.write_str(sentence),
        }
    }
}

impl Fault {
    /// The fields that every fault has: the calls that it affects.
    pub const LIMITS: &'static [FaultField] = &[
        FaultField::new::<Option<String>>("token", false),
        FaultField::new::<Option<String>>("method", false),
        FaultField::new::<Option<String>>("path", false),
        FaultField::new::<bool>("writes_only", true),
        FaultField::new::<u32>("skip", true),
        FaultField::new::<Option<u32>>("times", false),
    ];

    /// Reads a fault from JSON. An unknown field is an error, so that a mistyped limit does not affect every call.
    pub fn read(fields: Map<String, Value>) -> Result<Self, FaultError> {
        let named = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
        let doc = FaultKind::doc(named).ok_or_else(|| FaultError::UnknownKind(named.to_owned()))?;
        let known = |name: &str| name == "kind" || doc.field(name).is_some();
        if let Some(name) = fields.keys().find(|name| !known(name)) {
            return Err(FaultError::UnknownField { kind: doc, name: name.clone() });
        }
        if let Some(field) = doc.fields.iter().find(|f| f.is_required && !fields.contains_key(f.name)) {
            return Err(FaultError::Invalid(format!("the fault `{}` needs `{}`", doc.name, field.name)));
        }
        let statuses = doc.fields.iter().filter(|field| field.takes == FieldType::Status);
        for name in statuses.map(|field| field.name) {
            if !fields.get(name).and_then(Value::as_u64).is_some_and(|status| (200..600).contains(&status)) {
                return Err(FaultError::Invalid(format!("`{name}` must be a status from 200 to 599")));
            }
        }
        serde_json::from_value(Value::Object(fields))
            .map_err(|error| FaultError::Invalid(format!("the fault `{}`: {error}", doc.name)))
    }

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

/// What a test has set: faults or views. Clones share one list.
#[derive(Debug)]
pub struct SharedList<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for SharedList<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> SharedList<T> {
    pub(super) fn new(all: Vec<T>) -> Self {
        Self(Arc::new(Mutex::new(all)))
    }

    /// Appends one. The first fault that matches a call affects it; all views that match are applied, in order.
    pub fn add(&self, one: T) {
        self.0.lock().push(one);
    }

    /// Removes all, including those of the start.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    #[must_use]
    pub fn all(&self) -> Vec<T> {
        self.0.lock().clone()
    }
}

impl SharedList<Fault> {
    /// Takes and counts the fault that affects this call.
    pub(crate) fn meet(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        may_write: bool,
    ) -> Option<FaultKind> {
        let mut waiting = self.0.lock();
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
