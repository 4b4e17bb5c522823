//! Names that people give to tenants, keys and credentials.

use crate::domain::{FieldFault, Text};

const LONGEST: usize = 100;

/// The name, trimmed. Fails with what is wrong with the member `/name`.
pub(super) fn check(name: &str) -> Result<Text, FieldFault> {
    let name = name.trim();
    let fault = |code, detail: &'static str| Err(FieldFault::member("/name", code, detail));
    if name.is_empty() {
        return fault("required", "`name` must hold at least one visible character.");
    }
    if name.chars().count() > LONGEST {
        return fault("too_long", "`name` may have at most 100 characters.");
    }
    if name.chars().any(char::is_control) {
        return fault("malformed", "`name` must not hold control characters, line breaks included.");
    }
    Ok(Text::from(name))
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
