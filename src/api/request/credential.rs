//! Credentials to make and changes to credentials; what stands in a secret is never shown in a fault.

use secrecy::SecretString;

use serde_json::value::RawValue;

use super::{FieldReader, name, under};
use crate::api::extract::FromBody;
use crate::domain::RawJson;
use crate::gateway::credentials::{CredentialDraft, CredentialPatch};
use crate::json::Members;

const CREATE: [&str; 4] = ["provider", "name", "settings", "secret"];
const UPDATE: [&str; 3] = ["name", "settings", "secret"];

impl FromBody for CredentialDraft {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        refuse_unknown(reader, members, &CREATE);
        let raw = |name| members.get(name).map(RawValue::get);
        let provider = reader.required_text("/provider", raw("provider"));
        let name = name(reader, raw("name"));
        // Providers without required settings need none.
        let settings = object(reader, "/settings", raw("settings").unwrap_or("{}"));
        let secret = raw("secret");
        if secret.is_none() {
            reader.required("/secret");
        }
        let secret = secret.and_then(|raw| object(reader, "/secret", raw));
        Some(Self { provider: provider?, name: name?, settings: settings?, secret: sealed(&secret?) })
    }
}

impl FromBody for CredentialPatch {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        refuse_unknown(reader, members, &UPDATE);
        // `null` would mean to clear, and none of them can be: it is of the wrong type here.
        let raw = |name| members.0.iter().find(|(key, _)| key == name).map(|(_, raw)| raw.get());
        let name = raw("name").map(|raw| name(reader, Some(raw)));
        let settings = raw("settings").map(|raw| object(reader, "/settings", raw));
        let secret = raw("secret").map(|raw| object(reader, "/secret", raw));
        Some(Self {
            name: name.flatten(),
            settings: settings.flatten(),
            secret: secret.flatten().as_ref().map(sealed),
        })
    }
}

fn refuse_unknown(reader: &mut FieldReader<'_>, members: &Members<'_>, known: &[&str]) {
    for (name, _) in members.0.iter().filter(|(name, _)| !known.contains(&name.as_ref())) {
        reader.unknown(&under("", name), known);
    }
}

fn object(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<RawJson> {
    reader.object(at, raw)?;
    Some(reader.raw(raw))
}

fn sealed(secret: &RawJson) -> SecretString {
    SecretString::from(secret.as_str())
}
