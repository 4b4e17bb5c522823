//! Writing of JSON objects whose values are JSON text already.

/// An object of members whose values are valid JSON text, in the order given.
#[must_use]
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("{}:{value}", serde_json::json!(name))).collect();
    format!("{{{}}}", members.join(","))
}
