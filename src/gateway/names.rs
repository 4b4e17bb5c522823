//! Names that people give to tenants, keys and credentials.

use crate::domain::bounds::NAME_MOST;
use crate::domain::{FieldFault, TenantId, Text};

/// The name, trimmed. Fails with what is wrong with the member `/name`.
pub(super) fn check(name: &str) -> Result<Text, FieldFault> {
    let name = name.trim();
    let fault = |code, detail: &str| Err(FieldFault::member("/name", code, detail));
    if name.is_empty() {
        return fault("required", "`name` must hold at least one visible character.");
    }
    if name.chars().count() > NAME_MOST {
        return fault("too_long", &format!("`name` may have at most {NAME_MOST} characters."));
    }
    if name.chars().any(char::is_control) {
        return fault("malformed", "`name` must not hold control characters, line breaks included.");
    }
    Ok(Text::from(name))
}

/// The same for a tenant's name: none is spelled as an id.
pub(super) fn of_tenant(name: &str) -> Result<Text, FieldFault> {
    let name = check(name)?;
    if TenantId::is_spelled_by(&name) {
        let detail = "`name` must not begin with `ten_`, as ids of tenants do.";
        return Err(FieldFault::member("/name", "reserved", detail));
    }
    Ok(name)
}

/// An id nobody has: the prefix and a UUID of version 7, in 32 hexadecimal digits.
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
