//! The response of an idempotent write, and its stored form.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{Failure, Result, Text};

/// The response of an idempotent write. It is recorded and replayed without a change.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredResponse {
    pub status: u16,
    /// Names and values of the headers that are recorded, such as `Location`.
    pub headers: Vec<(Text, Text)>,
    pub body: Vec<u8>,
    /// Whether it comes from the ledger.
    pub replayed: bool,
}

/// The body is personal data and must not be logged.
impl fmt::Debug for StoredResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, body, replayed } = self;
        f.debug_struct("StoredResponse")
            .field("status", status)
            .field("headers", headers)
            .field("body", &format_args!("{} bytes", body.len()))
            .field("replayed", replayed)
            .finish()
    }
}

/// The part before the body: one line of JSON, so that the body follows without a change.
#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(Text, Text)>,
}

impl StoredResponse {
    /// The bytes to be sealed. Fails with `internal`.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let Self { status, headers, body, replayed: _ } = self;
        let head = Head { status: *status, headers: headers.clone() };
        let mut bytes = serde_json::to_vec(&head)
            .map_err(|_| Failure::internal("the response of a write could not be serialised"))?;
        bytes.push(b'\n');
        bytes.extend_from_slice(body);
        Ok(bytes)
    }

    /// The response that [`Self::to_bytes`] wrote, as a replay. Fails with `internal`.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = || Failure::internal("a recorded response is damaged");
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let (head, body) = (&bytes[..end], &bytes[end + 1..]);
        let Head { status, headers } = serde_json::from_slice(head).map_err(|_| damaged())?;
        Ok(Self { status, headers, body: body.to_vec(), replayed: true })
    }
}
