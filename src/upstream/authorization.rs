//! What authorises the calls of a credential, and how it is kept out of what a CRM says.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use crate::domain::{Failure, FieldFault, Result};

/// Shorter texts stand in a message by chance; no CRM gives out such secrets.
const SHORTEST_SECRET: usize = 6;
/// The largest body in which an upstream's message is looked for.
const LARGEST_MESSAGE: usize = 64 * 1024;

/// The header that authorises calls of one credential.
#[derive(Clone)]
pub struct Authorization {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl Authorization {
    /// A header whose value is never printed. Fails where the secret holds characters that no header can.
    pub fn new(name: &'static str, secret: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(secret).map_err(|_| {
            let fault = FieldFault::member(
                "/secret",
                "malformed",
                "The secret holds characters that cannot be sent.",
            );
            Failure::validation(vec![fault])
        })?;
        value.set_sensitive(true);
        Ok(Self { name: HeaderName::from_static(name), value })
    }

    pub(super) fn secret(&self) -> &[u8] {
        let value = self.value.as_bytes();
        value.strip_prefix(b"Bearer ").unwrap_or(value)
    }
}

/// A refusal with every repetition of `secret` struck out: messages of CRMs are passed on, and some repeat what they
/// were sent.
pub(super) fn struck_out(body: Bytes, secret: &[u8]) -> Bytes {
    if secret.len() < SHORTEST_SECRET || body.len() > LARGEST_MESSAGE {
        return body;
    }
    let mut rest = body.as_ref();
    let mut struck = Vec::new();
    while let Some(at) = rest.windows(secret.len()).position(|part| part == secret) {
        struck.extend_from_slice(&rest[..at]);
        struck.resize(struck.len() + secret.len(), b'*');
        rest = &rest[at + secret.len()..];
    }
    if struck.is_empty() {
        return body;
    }
    struck.extend_from_slice(rest);
    struck.into()
}

/// Whether the reply is one whose message is passed on. Others hold contacts, in which nothing may be struck out: a
/// short password can stand there by chance.
pub(super) fn refuses(status: u16, body: &[u8]) -> bool {
    let says =
        |words: &[u8]| body.len() <= LARGEST_MESSAGE && body.windows(words.len()).any(|part| part == words);
    !(200..300).contains(&status) || says(br#""success":false"#) || says(br#""success": false"#)
}
