//! A tenant to make.

use serde_json::value::RawValue;

use super::{FieldReader, name, under};
use crate::api::extract::FromBody;
use crate::domain::Text;
use crate::json::Members;

/// What a new tenant shall be.
pub(in crate::api) struct TenantDraft {
    /// A unique name.
    pub(in crate::api) name: Text,
}

impl FromBody for TenantDraft {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        for (name, _) in members.0.iter().filter(|(name, _)| name != "name") {
            reader.unknown(&under("", name), &["name"]);
        }
        Some(Self { name: name(reader, members.get("name").map(RawValue::get))? })
    }
}
