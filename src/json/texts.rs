//! The texts inside a JSON value, each with its path.

use super::{Kind, elements, kind, members, string};

/// The path of a value. A pointer is built only if it is needed, because names can be long and values many.
pub struct Steps<'a> {
    /// The path of the object or list that contains the value.
    pub before: Option<&'a Steps<'a>>,
    /// The name or index in it.
    pub step: &'a str,
}

impl Steps<'_> {
    /// The path as an RFC 6901 pointer; `token` escapes its parts.
    pub fn pointer(&self, token: fn(&str) -> String) -> String {
        let before = self.before.map(|before| before.pointer(token)).unwrap_or_default();
        format!("{before}/{}", token(self.step))
    }
}

/// Visits every text inside `raw`, whose path is `at`.
pub fn each_text(at: &Steps<'_>, raw: &str, visit: &mut impl FnMut(&Steps<'_>, &str)) {
    match kind(raw) {
        Kind::String => visit(at, &string(raw).unwrap_or_default()),
        Kind::List => {
            for (index, raw) in elements(raw).unwrap_or_default().iter().enumerate() {
                each_text(&Steps { before: Some(at), step: &index.to_string() }, raw.get(), visit);
            }
        }
        Kind::Object => {
            for (name, raw) in &members(raw).unwrap_or_default().0 {
                each_text(&Steps { before: Some(at), step: name }, raw.get(), visit);
            }
        }
        Kind::Null | Kind::Bool | Kind::Number => {}
    }
}
