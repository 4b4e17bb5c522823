//! Aptly's custom fields: written by id, or by name where that is unambiguous; read enriched.

use std::borrow::Cow;

use crate::adapters::remote::normalised;
use crate::adapters::settings::pointer_token;
use crate::domain::{Contact, FieldFault, RawJson, RemoteFields, Text};
use crate::json::{self, Kind, Members};

/// How many custom fields one write may name.
const MOST: usize = 200;

/// Ids and names of custom fields, as far as contacts that were read show them: Aptly has no list of definitions.
#[derive(Default)]
pub(in super::super) struct Definitions {
    known: Vec<(String, String)>,
    /// What the record to be changed holds, by id.
    held: Vec<(String, RawJson)>,
}

impl Definitions {
    /// What the contact to be changed shows.
    pub(in super::super) fn of(held: Option<&Contact>) -> Self {
        let mut definitions = held.map_or_else(Self::default, |held| Self::default().and(held));
        let fields = held.and_then(|held| held.remote_fields.get("customFields"));
        for (id, raw) in fields.and_then(|fields| json::members(fields.as_str())).unwrap_or_default().0 {
            let value = RawJson::from_validated(Text::from(plain(raw.get())));
            definitions.held.push((id.into_owned(), value));
        }
        definitions
    }

    /// These and what `contact` shows.
    pub(in super::super) fn and(mut self, contact: &Contact) -> Self {
        let fields = contact.remote_fields.get("customFields");
        for (id, raw) in fields.and_then(|fields| json::members(fields.as_str())).unwrap_or_default().0 {
            let name = json::members(raw.get())
                .and_then(|field| field.get("name"))
                .and_then(|name| json::string(name.get()));
            if !self.known.iter().any(|(known, _)| *known == *id) {
                self.known.push((id.into_owned(), name.unwrap_or_default().into_owned()));
            }
        }
        self
    }

    /// Whether `sent` names a custom field that is neither known nor looks like an id.
    pub(in super::super) fn needed_for(&self, sent: &RemoteFields) -> bool {
        sent_members(sent).0.iter().any(|(key, _)| !looks_like_id(key) && self.resolve(key).is_err())
    }

    /// The custom fields to write, by id: those whose value differs from what is held.
    pub(super) fn select(
        &self,
        value: &RawJson,
        pointer: &str,
    ) -> Result<Vec<(Text, RawJson)>, Vec<FieldFault>> {
        let Some(members) = json::members(value.as_str()) else {
            let detail = "`customFields` must be an object of values by field id or name.";
            return Err(vec![FieldFault::member(pointer, "wrong_type", detail)]);
        };
        if members.0.len() > MOST {
            let detail = format!("`customFields` may hold {MOST} members; it holds {}.", members.0.len());
            return Err(vec![FieldFault::member(pointer, "too_many", detail)]);
        }
        let (mut writes, mut faults): (Vec<(Text, RawJson)>, _) = (Vec::new(), Vec::new());
        for (key, raw) in &members.0 {
            let at = format!("{pointer}/{}", pointer_token(key));
            match self.resolve(key) {
                Err(detail) => faults.push(FieldFault::member(at, "unknown_member", detail)),
                Ok(id) if writes.iter().any(|(known, _)| *known == *id) => {
                    faults.push(FieldFault::member(
                        at,
                        "conflict",
                        "This custom field is named twice, by id and by name.",
                    ));
                }
                Ok(id) => {
                    let value = plain(raw.get());
                    let same =
                        self.held.iter().any(|(held, now)| *held == *id && json::equal(now.as_str(), value));
                    if !same {
                        writes.push((Text::from(id.as_ref()), RawJson::from_validated(Text::from(value))));
                    }
                }
            }
        }
        if faults.is_empty() { Ok(writes) } else { Err(faults) }
    }

    /// The id that `key` means: an id as it is, or a name that one field alone has. What looks like an id is left to
    /// Aptly to know, because fields of a contact type that nobody has yet are shown nowhere.
    fn resolve<'k>(&self, key: &'k str) -> Result<Cow<'k, str>, String> {
        if self.known.iter().any(|(id, _)| id == key) {
            return Ok(Cow::Borrowed(key));
        }
        let named: Vec<&str> = self
            .known
            .iter()
            .filter(|(_, name)| normalised(name) == normalised(key))
            .map(|(id, _)| id.as_str())
            .collect();
        match named.as_slice() {
            [one] => Ok(Cow::Owned((*one).to_owned())),
            [] if looks_like_id(key) => Ok(Cow::Borrowed(key)),
            [] => Err(format!("`{key}` is no custom field that Aptly shows; there are: {}.", self.names())),
            ids => Err(format!(
                "`{key}` is the name of several custom fields; use one of the ids {}.",
                ids.join(", ")
            )),
        }
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.known.iter().map(|(id, name)| format!("{id} ({name})")).collect();
        if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
    }
}

fn sent_members(sent: &RemoteFields) -> Members<'_> {
    let fields = sent.0.iter().find(|(name, _)| normalised(name) == "customfields");
    fields.and_then(|(_, value)| json::members(value.as_str())).unwrap_or_default()
}

/// Aptly's ids are 17 letters and digits.
fn looks_like_id(key: &str) -> bool {
    key.len() == 17 && key.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// A custom field as it is written: of one that was read (`{name, dataType, optional, value}`) its value.
fn plain(raw: &str) -> &str {
    if json::kind(raw) != Kind::Object {
        return raw;
    }
    let Some(members) = json::members(raw) else { return raw };
    let of = |name: &str| members.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
    match (of("dataType"), of("value")) {
        (Some(_), Some(value)) => value.get(),
        _ => raw,
    }
}
