//! A key to make.

use serde_json::value::RawValue;

use super::{FieldReader, name, under};
use crate::api::extract::{FromBody, moment};
use crate::domain::bounds::KEY_CREDENTIALS_MOST;
use crate::domain::rules::Lines;
use crate::domain::{CredentialId, Patch, Scope, Scopes, Text, Timestamp};
use crate::gateway::keys::KeyDraft;
use crate::json::{self, Kind, Members};

const MEMBERS: [&str; 4] = ["name", "scopes", "credentialIds", "expiresAt"];

impl FromBody for KeyDraft {
    fn from_body(reader: &mut FieldReader<'_>, members: &Members<'_>) -> Option<Self> {
        for (name, _) in members.0.iter().filter(|(name, _)| !MEMBERS.contains(&name.as_ref())) {
            reader.unknown(&under("", name), &MEMBERS);
        }
        let raw = |name| members.get(name).map(RawValue::get);
        let name = name(reader, raw("name"));
        let scopes = scopes(reader, raw("scopes"));
        let credential_ids = raw("credentialIds").map(|raw| credential_ids(reader, raw));
        let expires_at = raw("expiresAt").and_then(|raw| time(reader, "/expiresAt", raw));
        Some(Self { name: name?, scopes, credential_ids, expires_at })
    }
}

fn scopes(reader: &mut FieldReader<'_>, raw: Option<&str>) -> Scopes {
    match raw.map(|raw| reader.list("/scopes", raw, Scope::ALL.len(), scope)) {
        Some(Patch::Set(scopes)) => return Scopes::new(&scopes),
        Some(Patch::Keep) => {}
        Some(Patch::Clear) | None => reader.required("/scopes"),
    }
    Scopes::default()
}

fn scope(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<Scope> {
    let word = reader.required_text(at, Some(raw))?;
    let scope = Scope::parse(&word);
    if scope.is_none() {
        let words = Scope::ALL.map(Scope::as_str).join(", ");
        reader.fault(at, "unknown_word", format!("It must be one of: {words}."));
    }
    scope
}

fn credential_ids(reader: &mut FieldReader<'_>, raw: &str) -> Vec<CredentialId> {
    let ids = reader.list("/credentialIds", raw, KEY_CREDENTIALS_MOST, |reader, at, raw| {
        reader.required_text(at, Some(raw)).map(CredentialId::from)
    });
    if ids == Patch::Clear {
        reader.fault("/credentialIds", "empty", "Leave it out for all credentials, or name one at least.");
    }
    ids.value().cloned().unwrap_or_default()
}

fn time(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<Timestamp> {
    let text: Patch<Text> = reader.text(at, raw, Lines::One);
    if json::kind(raw) != Kind::String {
        return None;
    }
    let read = moment(text.value().map_or("", Text::as_str));
    read.map_err(|detail| reader.fault(at, "malformed", detail)).ok()
}
