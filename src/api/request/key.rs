//! The body of a new API key.

use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::FieldReader;
use super::object::{BodyList, BodyObject, BodyValue, Presence, documented, field};
use crate::api::extract::FromBody;
use crate::domain::bounds::KEY_CREDENTIALS_MOST;
use crate::domain::{CredentialId, Patch, Scope, Scopes, Text};
use crate::gateway::keys::KeyDraft;
use crate::json::{self, Kind, Members};

static CREATE: BodyObject<KeyDraft> = BodyObject {
    name: "KeyCreate",
    about: "An API key to create.",
    is_new: true,
    fields: &[
        field(
            "name",
            "A display name.",
            Presence::Required,
            BodyValue::Name(|draft, name| draft.name = name),
        ),
        field(
            "scopes",
            "The scopes of the key. A write scope does not include the read scope",
            Presence::Required,
            BodyValue::List(BodyList {
                least: Some(1),
                most: Scope::ALL.len(),
                names_most: false,
                element: || Ref::from_schema_name(SCOPE).into(),
                read: |reader, at, raw, most, draft| match reader.list(at, raw, most, scope) {
                    Patch::Set(scopes) => draft.scopes = Scopes::new(&scopes),
                    Patch::Keep => {}
                    Patch::Clear => reader.required(at),
                },
            }),
        ),
        field(
            "credentialIds",
            "The only credentials that the key may use; absent means all",
            Presence::Optional,
            BodyValue::List(BodyList {
                least: Some(1),
                most: KEY_CREDENTIALS_MOST,
                names_most: true,
                element: || ObjectBuilder::new().schema_type(Type::String).into(),
                read: credential_ids,
            }),
        ),
        field(
            "expiresAt",
            "When the key expires; absent means never.",
            Presence::Optional,
            BodyValue::Time(|draft, time| draft.expires_at = Some(time)),
        ),
    ],
    ignored: &[],
};

const SCOPE: &str = "ScopeWord";

/// The schema of a scope.
fn scopes() -> Schema {
    let words = ObjectBuilder::new().schema_type(Type::String).description(Some("A permission of a key."));
    words.enum_values(Some(Scope::ALL.map(Scope::as_str))).into()
}

documented! { KeyDraft: CREATE, [(SCOPE, scopes)]; }

impl FromBody for KeyDraft {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        let (name, scopes) = (Text::default(), Scopes::default());
        let mut draft = Self { name, scopes, credential_ids: None, expires_at: None };
        CREATE.read(reader, "", members, &mut draft);
        Some(draft)
    }
}

fn scope(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<Scope> {
    let word = reader.required_text(at, Some(raw))?;
    let scope = Scope::parse(&word);
    if scope.is_none() {
        let words = Scope::ALL.map(Scope::as_str).join(", ");
        reader.fault(at, "unknown_word", format!("Must be one of: {words}."));
    }
    scope
}

fn credential_ids(reader: &mut FieldReader<'_>, at: &str, raw: &str, most: usize, draft: &mut KeyDraft) {
    // Absent and `null` mean all credentials; an empty list would mean none.
    if json::kind(raw) == Kind::Null {
        return;
    }
    let id = |reader: &mut FieldReader<'_>, at: &str, raw: &str| {
        reader.required_text(at, Some(raw)).map(CredentialId::from)
    };
    match reader.list(at, raw, most, id) {
        Patch::Set(ids) => draft.credential_ids = Some(ids),
        Patch::Keep => {}
        Patch::Clear => {
            reader.fault(
                at,
                "empty",
                "Must not be empty. List at least one credential, or leave the field out to allow all.",
            );
        }
    }
}
