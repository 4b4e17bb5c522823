//! The texts inside a JSON value, each with the way to it.

use super::{Kind, elements, kind, members, string};

/// The way to a value: names and numbers, of which a pointer is made only where one is needed. Names can be long, and what
/// they hold many.
pub struct Steps<'a> {
    /// The way to what holds the value.
    pub before: Option<&'a Steps<'a>>,
    /// Its name or number there.
    pub step: &'a str,
}

impl Steps<'_> {
    /// The way as an RFC 6901 pointer, whose tokens `token` escapes.
    pub fn pointer(&self, token: fn(&str) -> String) -> String {
        let before = self.before.map(|before| before.pointer(token)).unwrap_or_default();
        format!("{before}/{}", token(self.step))
    }
}

/// Visits every text inside `raw`, which stands at `at`.
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
