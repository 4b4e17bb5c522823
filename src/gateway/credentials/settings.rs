//! A credential's settings: changes are merged by field, `null` resets a field, and the size is limited.

use secrecy::{ExposeSecret, SecretString};

use crate::domain::{Failure, FieldFault, Result};
use crate::json::{self, Kind};

/// `held` with the fields of `changes`; both are valid JSON objects.
/// Fails with `validation_failed` if `changes` is not an object.
pub(super) fn merged(held: &str, changes: &str) -> Result<String> {
    let fault = || FieldFault::member("/settings", "wrong_type", "`settings` must be an object.");
    let (Some(held), Some(changes)) = (json::members(held), json::members(changes)) else {
        return Err(Failure::validation(vec![fault()]));
    };
    let kept = held.0.iter().filter(|(name, _)| !changes.0.iter().any(|(changed, _)| changed == name));
    let set = changes.0.iter().filter(|(_, raw)| json::kind(raw.get()) != Kind::Null);
    Ok(json::object(kept.chain(set).map(|(name, raw)| (name.as_ref(), raw.get()))))
}

/// The most bytes of one credential's settings, with `createDefaults`.
const SETTINGS_MOST: usize = 64 * 1024;
/// The most bytes of one credential's secret.
const SECRET_MOST: usize = 16 * 1024;

/// Fails with `validation_failed` if the settings, as they would be stored, are too large.
pub(super) fn check_size(settings: &str) -> Result<()> {
    check(settings.len(), SETTINGS_MOST, "/settings", "`settings` with `createDefaults`")
}

/// Fails with `validation_failed` if the secret is too large.
pub(super) fn check_secret_size(secret: &SecretString) -> Result<()> {
    check(secret.expose_secret().len(), SECRET_MOST, "/secret", "`secret`")
}

fn check(size: usize, most: usize, at: &str, what: &str) -> Result<()> {
    if size <= most {
        return Ok(());
    }
    let detail = format!("The limit for {what} is {most} bytes, but it has {size} bytes.");
    Err(Failure::validation(vec![FieldFault::member(at, "too_long", detail)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_merge_and_null_resets() {
        let held = r#"{"a":1,"b":{"x":1},"q\"":true}"#;
        assert_eq!(
            merged(held, r#"{"b":{"y":2.50},"a":null,"c":"é"}"#).unwrap(),
            r#"{"q\"":true,"b":{"y":2.50},"c":"é"}"#
        );
        assert_eq!(merged(held, "{}").unwrap(), held);
        assert!(merged("{}", "[]").is_err());
    }
}
