//! One request to a CRM, and its reply.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytestring::ByteString;
use http::Method;
use url::Url;

use super::Secrets;
use crate::blocking;
use crate::domain::{CallContext, Failure, FailureKind, Provider, Result, Timestamp};
use crate::json::{self, CheckedJson};
use crate::telemetry::series::CountedCall;

/// The minimum time of an attempt. With less time left, none is made.
pub(super) const LEAST_TIME: Duration = Duration::from_millis(20);

/// Whether a call may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetrySafety {
    /// It only reads, so it may be sent again.
    Safe,
    /// It writes: it may be sent again only after a complete 429, which proves that nothing was applied.
    AfterRefusal,
}

/// One request, without host and authorisation, which belong to the credential.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    /// The path without ids and other values, such as `api/contacts/{id}`; for logs and metrics.
    pub template: &'static str,
    /// Path segments after the base URL's path; percent-encoded when sent.
    pub path: Vec<String>,
    /// Query parameters; encoded when sent.
    pub query: Vec<(&'static str, String)>,
    pub body: Option<String>,
    pub repeat: RetrySafety,
}

impl Call {
    /// A call without query and body; `template` is split at its slashes. Every method but `GET` counts as a write.
    #[must_use]
    pub fn new(method: Method, template: &'static str) -> Self {
        let path = template.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        let repeat = if method == Method::GET { RetrySafety::Safe } else { RetrySafety::AfterRefusal };
        Self { method, template, path, query: Vec::new(), body: None, repeat }
    }

    /// The same call with `id`, which may contain any characters, in place of `{id}`.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        for segment in &mut self.path {
            if segment == "{id}" {
                id.clone_into(segment);
            }
        }
        self
    }

    /// The same call with a query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The URL of the call, for this base URL.
    pub(super) fn at(&self, mut base: Url) -> Result<Url> {
        base.path_segments_mut()
            .map_err(|()| Failure::internal("a base URL that cannot be a base passed the guard"))?
            .pop_if_empty()
            .extend(&self.path);
        if !self.query.is_empty() {
            base.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(base)
    }

    /// The path and the query as they are sent, behind the base URL.
    pub fn target(&self) -> Result<String> {
        let any = Url::parse("https://host").map_err(|_| Failure::internal("a constant URL is not valid"))?;
        Ok(self.at(any)?[url::Position::BeforePath..].to_owned())
    }

    /// The same call with a JSON body.
    #[must_use]
    pub fn body(mut self, json: String) -> Self {
        self.body = Some(json);
        self
    }
}

impl fmt::Debug for Call {
    /// Without the parts that may contain personal data or a login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A value that is decoded from a reply.
pub trait Decoded: Sized {
    /// Removes `secrets`. If `struck` is true, [`STRUCK_OUT`](super::STRUCK_OUT) replaces values that contained one, and they are
    /// left out.
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()>;
}

/// Only the success of the reply matters.
impl Decoded for () {
    fn remove_secrets(&mut self, _: &Secrets, _: bool) -> Result<()> {
        Ok(())
    }
}

/// A complete response of a CRM, with a limited body.
#[derive(Clone, Debug)]
pub struct Reply {
    pub provider: Provider,
    pub status: u16,
    /// `Content-Type`, lower case, without parameters; empty if there was none.
    pub content_type: String,
    /// The upstream's clock.
    pub date: Option<Timestamp>,
    /// `Retry-After`, from now.
    pub retry_after: Option<Duration>,
    /// The body, decompressed.
    pub body: bytes::Bytes,
    /// The secrets of the account. The body may repeat them, so they are removed from every text that is passed on.
    pub secrets: Secrets,
    /// The body as text, once it was checked.
    pub(super) checked: OnceLock<CheckedJson>,
    /// Counts the call in the metrics once the reply has been read.
    pub(super) counted: Option<Arc<CountedCall>>,
}

impl Reply {
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Whether the body is declared as JSON, or not declared and looks like JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let declared = self.content_type == "application/json" || self.content_type.ends_with("+json");
        let looks_so = self.body.first().is_some_and(|first| b"{[\"\xEF \n".contains(first));
        declared || (self.content_type.is_empty() && looks_so)
    }

    /// Runs `read` on the reply. Fails with `overloaded` if a large one gets no permit before the deadline.
    pub async fn read<T>(self, context: &CallContext, read: impl FnOnce(Self) -> Result<T>) -> Result<T> {
        let counted = self.counted.clone();
        let outcome = blocking::within(context, self.body.len(), || read(self)).await?;
        outcome.inspect_err(|failure| note_unreadable(counted.as_deref(), failure))
    }

    /// The same for the reply to a write, which must not fail.
    pub async fn read_however_late<T>(self, context: &CallContext, read: impl FnOnce(Self) -> T) -> T {
        blocking::however_late(context, self.body.len(), || read(self)).await
    }

    /// Runs `decode` on the checked JSON body and removes the account's secrets. A failure names the CRM and the status.
    pub fn decode<T: Decoded>(&self, decode: impl FnOnce(&CheckedJson) -> Result<T>) -> Result<T> {
        let decoded = self.json().and_then(|text| {
            let struck = self.secrets.strike_out_of_values(&text);
            let struck = struck.map(|text| self.check(text)).transpose()?;
            let mut decoded = decode(struck.as_ref().unwrap_or(&text))?;
            decoded.remove_secrets(&self.secrets, struck.is_some()).map(|()| decoded)
        });
        decoded.map_err(|failure| {
            note_unreadable(self.counted.as_deref(), &failure);
            failure.with_upstream(self.provider, Some(self.status))
        })
    }

    /// The body as checked JSON text, which may contain secrets: UTF-8, no duplicate field, no lone surrogate, limited depth.
    /// Fails with `upstream_invalid_response`.
    pub fn json(&self) -> Result<CheckedJson> {
        if let Some(checked) = self.checked.get() {
            return Ok(checked.clone());
        }
        if !self.is_json() {
            return Err(self.invalid("its content type is not JSON"));
        }
        // A byte order mark is not JSON, but some servers send one.
        let body = match self.body.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) => self.body.slice_ref(rest),
            None => self.body.clone(),
        };
        let text = ByteString::try_from(body).map_err(|_| self.invalid("it is not UTF-8"))?;
        let checked = self.check(text)?;
        Ok(self.checked.get_or_init(|| checked).clone())
    }

    fn check(&self, text: ByteString) -> Result<CheckedJson> {
        CheckedJson::new(text, json::REPLY).map_err(|fault| self.invalid(fault.reason()))
    }

    fn invalid(&self, reason: &str) -> Failure {
        let reason = self.secrets.strike_out(reason);
        Failure::new(
            FailureKind::UpstreamInvalidResponse,
            format!("The CRM responded with {} and a body that cannot be read: {reason}.", self.status),
        )
    }
}

/// Notes in the metrics that a reply is not what the CRM documents.
fn note_unreadable(counted: Option<&CountedCall>, failure: &Failure) {
    if let Some(counted) = counted.filter(|_| failure.kind == FailureKind::UpstreamInvalidResponse) {
        counted.note_unreadable();
    }
}
