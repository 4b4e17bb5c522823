//! New credentials and changes to credentials. A fault never shows a part of a secret.

use secrecy::SecretString;

use super::FieldReader;
use super::object::{BodyObject, BodyValue, Presence, documented, field};
use crate::api::extract::FromBody;
use crate::domain::{RawJson, Text};
use crate::gateway::credentials::{CredentialDraft, CredentialPatch};
use crate::json::Members;

#[rustfmt::skip]
static CREATE: BodyObject<(Text, CredentialPatch)> = BodyObject {
    name: "CreateCredential",
    about: "A credential to create.",
    is_new: true,
    fields: &[
        field("provider", "The CRM.", Presence::Required,
            BodyValue::Word(|(provider, _), word| *provider = word)),
        field("name", "A name that is unique in the tenant.", Presence::Required,
            BodyValue::Name(|(_, draft), name| draft.name = Some(name))),
        field("settings", "The settings of the provider, at most 64 KiB.", Presence::Optional,
            BodyValue::Any(|reader, at, raw, (_, draft)| draft.settings = object(reader, at, raw))),
        field("secret", "The secret of the provider, at most 16 KiB. It is sealed and never shown again.", Presence::Required,
            BodyValue::Any(|reader, at, raw, (_, draft)| draft.secret = secret(reader, at, raw))),
    ],
    ignored: &[],
};

#[rustfmt::skip]
static UPDATE: BodyObject<CredentialPatch> = BodyObject {
    name: "UpdateCredential",
    about: "Changes to a credential. Absent fields are unchanged.",
    is_new: true,
    fields: &[
        field("name", "A name that is unique in the tenant.", Presence::NotNull,
            BodyValue::Name(|patch, name| patch.name = Some(name))),
        field("settings", "Settings, merged by field; `null` resets a field. The merged settings are limited to 64 KiB.", Presence::NotNull,
            BodyValue::Any(|reader, at, raw, patch| patch.settings = object(reader, at, raw))),
        field("secret", "A new secret. Required if `baseUrl` changes.", Presence::NotNull,
            BodyValue::Any(|reader, at, raw, patch| patch.secret = secret(reader, at, raw))),
    ],
    ignored: &[],
};

documented! {
    CredentialDraft: CREATE, [];
    CredentialPatch: UPDATE, [];
}

impl FromBody for CredentialDraft {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        let mut read = (Text::default(), CredentialPatch::default());
        CREATE.read(reader, "", members, &mut read);
        let (provider, CredentialPatch { name, settings, secret }) = read;
        // Providers without required settings need none.
        let settings = settings.unwrap_or_else(|| RawJson::from_validated(Text::from_static("{}")));
        Some(Self { provider, name: name?, settings, secret: secret? })
    }
}

impl FromBody for CredentialPatch {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        let mut patch = Self::default();
        UPDATE.read(reader, "", members, &mut patch);
        Some(patch)
    }
}

fn object(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<RawJson> {
    reader.object(at, raw)?;
    Some(reader.raw(raw))
}

fn secret(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<SecretString> {
    Some(SecretString::from(object(reader, at, raw)?.as_str()))
}
