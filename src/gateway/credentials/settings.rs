//! A credential's settings: changes merge by member, `null` resets one, and the whole is bounded.

use secrecy::{ExposeSecret, SecretString};

use crate::domain::{Failure, FieldFault, Result};
use crate::json::{self, Kind};

/// `held` with the members of `changes` laid over it; both are JSON objects, checked for syntax.
/// Fails with `validation_failed` where `changes` is no object.
pub(super) fn merged(held: &str, changes: &str) -> Result<String> {
    let fault = || FieldFault::member("/settings", "wrong_type", "`settings` must be an object.");
    let (Some(held), Some(changes)) = (json::members(held), json::members(changes)) else {
        return Err(Failure::validation(vec![fault()]));
    };
    let kept = held.0.iter().filter(|(name, _)| !changes.0.iter().any(|(changed, _)| changed == name));
    let set = changes.0.iter().filter(|(_, raw)| json::kind(raw.get()) != Kind::Null);
    Ok(json::object(kept.chain(set).map(|(name, raw)| (name.as_ref(), raw.get()))))
}

/// Bytes of one credential's settings, `createDefaults` included.
const SETTINGS_MOST: usize = 64 * 1024;
/// Bytes of one credential's secret.
const SECRET_MOST: usize = 16 * 1024;

/// Fails with `validation_failed` where the settings, as they would be stored, are too large.
pub(super) fn check_size(settings: &str) -> Result<()> {
    check(settings.len(), SETTINGS_MOST, "/settings", "`settings`, `createDefaults` included,")
}

/// Fails with `validation_failed` where the secret is too large.
pub(super) fn check_secret_size(secret: &SecretString) -> Result<()> {
    check(secret.expose_secret().len(), SECRET_MOST, "/secret", "`secret`")
}

fn check(size: usize, most: usize, at: &str, what: &str) -> Result<()> {
    if size <= most {
        return Ok(());
    }
    let detail = format!("{what} may hold {most} bytes; it holds {size} bytes.");
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
