//! One request to an upstream, and its answer.

use std::fmt;
use std::time::Duration;

use bytestring::ByteString;

use super::Secrets;
use crate::blocking;
use crate::domain::{CallContext, Failure, FailureKind, Provider, Result, Timestamp};
use crate::json;

/// The methods that our upstreams take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    /// Creates at one CRM, updates at another.
    Post,
    Patch,
    Delete,
}

/// Whether a call may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetrySafety {
    /// It reads: sending it twice is sending it once.
    Safe,
    /// It writes: only after a complete 429, which proves that nothing was applied.
    AfterRefusal,
}

/// One request, apart from the host and the authorisation, which belong to the credential.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    /// Path segments after the base URL's own path; each is percent-encoded when sent.
    pub path: Vec<String>,
    /// Query parameters; encoded when sent.
    pub query: Vec<(&'static str, String)>,
    pub body: Option<String>,
    pub repeat: RetrySafety,
}

impl Call {
    /// A call without query and body; `path` is split at its slashes. A `GET` may be repeated, anything else counts as
    /// a write.
    #[must_use]
    pub fn new(method: Method, path: &str) -> Self {
        let path = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        let repeat = if method == Method::Get { RetrySafety::Safe } else { RetrySafety::AfterRefusal };
        Self { method, path, query: Vec::new(), body: None, repeat }
    }

    /// The same call with one more path segment, whatever characters it holds.
    #[must_use]
    pub fn segment(mut self, segment: &str) -> Self {
        self.path.push(segment.to_owned());
        self
    }

    /// The same call with a query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The same call with a JSON body.
    #[must_use]
    pub fn body(mut self, json: String) -> Self {
        self.body = Some(json);
        self
    }
}

impl fmt::Debug for Call {
    /// Without what may hold people's data or a login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).finish_non_exhaustive()
    }
}

/// What is decoded from a reply.
pub trait Decoded: Sized {
    /// The same without `secrets`. Where `struck` says so, [`STRUCK_OUT`](super::STRUCK_OUT) stands in the place of
    /// values that held one, and they are left out.
    fn without_secrets(self, secrets: &Secrets, struck: bool) -> Result<Self>;
}

/// Nothing but that the reply is good.
impl Decoded for () {
    fn without_secrets(self, _: &Secrets, _: bool) -> Result<Self> {
        Ok(())
    }
}

/// A complete answer of an upstream, its body bounded in size.
#[derive(Clone, Debug)]
pub struct Reply {
    pub provider: Provider,
    pub status: u16,
    /// `Content-Type`, lower case, without parameters; empty where there was none.
    pub content_type: String,
    /// The upstream's clock.
    pub date: Option<Timestamp>,
    /// `Retry-After`, from now.
    pub retry_after: Option<Duration>,
    /// The body, decompressed.
    pub body: bytes::Bytes,
    /// The secrets of the account, which the body may repeat: no text of it is passed on without a look at them.
    pub secrets: Secrets,
}

impl Reply {
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Whether the body is declared as JSON, or undeclared and looks like it.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let declared = self.content_type == "application/json" || self.content_type.ends_with("+json");
        let looks_so = self.body.first().is_some_and(|first| b"{[\"\xEF \n".contains(first));
        declared || (self.content_type.is_empty() && looks_so)
    }

    /// What `read` makes of the reply. Fails with `overloaded` where a large one finds no place until the deadline.
    pub async fn read<T>(self, context: &CallContext, read: impl FnOnce(Self) -> Result<T>) -> Result<T> {
        blocking::within(context, self.body.len(), || read(self)).await?
    }

    /// The same of a reply to a write, which must not fail any more.
    pub async fn read_however_late<T>(self, context: &CallContext, read: impl FnOnce(Self) -> T) -> T {
        blocking::however_late(context, self.body.len(), || read(self)).await
    }

    /// What `decode` makes of the checked JSON body, without the account's secrets; its failure names the CRM and the
    /// status.
    pub fn decode<T: Decoded>(&self, decode: impl FnOnce(&ByteString) -> Result<T>) -> Result<T> {
        let decoded = self.json().and_then(|text| {
            let struck = self.secrets.strike_out_of_values(&text);
            let decoded = decode(struck.as_ref().unwrap_or(&text))?;
            decoded.without_secrets(&self.secrets, struck.is_some())
        });
        decoded.map_err(|failure| failure.with_upstream(self.provider, Some(self.status)))
    }

    /// The body as checked JSON text, secrets that it repeats included: UTF-8, no duplicate member, no lone surrogate,
    /// bounded depth.
    /// Fails with `upstream_invalid_response`.
    pub fn json(&self) -> Result<ByteString> {
        if !self.is_json() {
            return Err(self.invalid("its content type is not JSON"));
        }
        // A byte order mark is no JSON, yet some servers send one; it carries nothing.
        let body = match self.body.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) => self.body.slice_ref(rest),
            None => self.body.clone(),
        };
        let text = ByteString::try_from(body).map_err(|_| self.invalid("it is not UTF-8"))?;
        match json::check(&text, json::REPLY) {
            Ok(()) => Ok(text),
            Err(fault) => Err(self.invalid(fault.reason())),
        }
    }

    fn invalid(&self, reason: &str) -> Failure {
        let reason = self.secrets.strike_out(reason);
        Failure::new(
            FailureKind::UpstreamInvalidResponse,
            format!("The CRM answered {} with a body that cannot be read: {reason}.", self.status),
        )
    }
}
