//! Names of tenants, keys and credentials.

use crate::domain::bounds::NAME_MOST;
use crate::domain::{FieldFault, TenantId, Text};

/// The trimmed name. Fails with the fault at `/name`.
pub(super) fn check(name: &str) -> Result<Text, FieldFault> {
    let name = name.trim();
    let fault = |code, detail: &str| Err(FieldFault::member("/name", code, detail));
    if name.is_empty() {
        return fault("required", "`name` must contain at least one visible character.");
    }
    if name.chars().count() > NAME_MOST {
        return fault("too_long", &format!("`name` may have at most {NAME_MOST} characters."));
    }
    if name.chars().any(char::is_control) {
        return fault("malformed", "`name` must not contain control characters or line breaks.");
    }
    Ok(Text::from(name))
}

/// Like [`check`], for a tenant's name, which must not look like an id.
pub(super) fn of_tenant(name: &str) -> Result<Text, FieldFault> {
    let name = check(name)?;
    if TenantId::is_spelled_by(&name) {
        let detail = "`name` must not begin with `ten_`, the prefix of tenant ids.";
        return Err(FieldFault::member("/name", "reserved", detail));
    }
    Ok(name)
}

/// A new unique id: the prefix and a UUID of version 7, in 32 hexadecimal digits.
pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::now_v7().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_bounded_and_visible() {
        assert_eq!(check("  Acme \n").unwrap(), "Acme");
        assert_eq!(check(&"é".repeat(100)).unwrap().chars().count(), 100);
        for (name, code) in [
            ("", "required"),
            (" \t", "required"),
            (&*"x".repeat(101), "too_long"),
            ("a\u{0}b", "malformed"),
            ("a\nb", "malformed"),
        ] {
            assert_eq!(check(name).unwrap_err().code, code);
        }
    }
}
