//! The header that authorises the calls of a credential.

use http::header::{HeaderName, HeaderValue};

use crate::domain::{Failure, FieldFault, Result};

/// The header that authorises the calls of one credential.
#[derive(Clone)]
pub struct Authorization {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl Authorization {
    /// A header whose value is never printed. Fails if the secret has characters that a header cannot have.
    pub fn new(name: &'static str, secret: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(secret).map_err(|_| {
            let fault = FieldFault::member(
                "/secret",
                "malformed",
                "The secret contains characters that cannot be sent in a header.",
            );
            Failure::validation(vec![fault])
        })?;
        value.set_sensitive(true);
        Ok(Self { name: HeaderName::from_static(name), value })
    }

    pub(super) fn secret(&self) -> &str {
        // It was made from a text.
        let value = self.value.to_str().unwrap_or_default();
        value.strip_prefix("Bearer ").unwrap_or(value)
    }
}
