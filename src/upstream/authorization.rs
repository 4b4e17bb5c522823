//! What authorises the calls of a credential.

use http::header::{HeaderName, HeaderValue};

use crate::domain::{Failure, FieldFault, Result};

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

    pub(super) fn secret(&self) -> &str {
        // It was made of a text.
        let value = self.value.to_str().unwrap_or_default();
        value.strip_prefix("Bearer ").unwrap_or(value)
    }
}
