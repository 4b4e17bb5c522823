//! The body of a new tenant.

use super::FieldReader;
use super::object::{BodyObject, BodyValue, Presence, documented, field};
use crate::api::extract::FromBody;
use crate::domain::Text;
use crate::json::Members;

/// A new tenant.
#[derive(Default)]
pub(in crate::api) struct TenantDraft {
    /// A unique name.
    pub(in crate::api) name: Text,
}

static CREATE: BodyObject<TenantDraft> = BodyObject {
    name: "TenantCreate",
    about: "A tenant to create.",
    is_new: true,
    fields: &[field(
        "name",
        "A unique name.",
        Presence::Required,
        BodyValue::Name(|draft, name| draft.name = name),
    )],
    ignored: &[],
};

documented! { TenantDraft: CREATE, []; }

impl FromBody for TenantDraft {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        let mut draft = Self::default();
        CREATE.read(reader, "", members, &mut draft);
        Some(draft)
    }
}
