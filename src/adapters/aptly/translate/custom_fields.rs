//! Aptly's custom fields: written by id, or by name where that is unambiguous; read enriched.

use std::collections::{HashMap, HashSet};

use crate::adapters::settings::pointer_token;
use crate::domain::{
    Contact, Faults, FieldFault, RawJson, RemoteFields, Text, abbreviated, enumerated, field_key,
};
use crate::json::{self, Kind, Members};

/// How many custom fields one write may change.
const MOST: usize = 200;

/// Ids and names of custom fields, as far as contacts that were read show them: Aptly has no list of definitions.
#[derive(Default)]
pub(in super::super) struct Definitions {
    /// Ids with their names, in the order in which they were seen.
    known: Vec<(String, String)>,
    ids: HashSet<String>,
    /// Which of `known` have a name, by that name as it is compared.
    named: HashMap<String, Vec<usize>>,
    /// What the record to be changed holds, by id.
    held: HashMap<String, RawJson>,
    /// Whether the reading of that record shows its custom fields.
    shows_held: bool,
}

impl Definitions {
    /// What the contact to be changed shows.
    pub(in super::super) fn of(held: Option<&Contact>) -> Self {
        let mut definitions = held.map_or_else(Self::default, |held| Self::default().and(held));
        let fields = held.and_then(|held| held.remote_fields.get("customFields"));
        definitions.shows_held = fields.is_some();
        for (id, raw) in fields.and_then(|fields| json::members(fields.as_str())).unwrap_or_default().0 {
            let value = RawJson::from_validated(Text::from(plain(raw.get())));
            definitions.held.insert(id.into_owned(), value);
        }
        definitions
    }

    /// These and what `contact` shows.
    pub(in super::super) fn and(mut self, contact: &Contact) -> Self {
        let fields = contact.remote_fields.get("customFields");
        for (id, raw) in fields.and_then(|fields| json::members(fields.as_str())).unwrap_or_default().0 {
            if !self.ids.insert(id.as_ref().to_owned()) {
                continue;
            }
            let name = json::members(raw.get())
                .and_then(|field| field.get("name"))
                .and_then(|name| json::string(name.get()))
                .unwrap_or_default();
            self.named.entry(field_key(&name)).or_default().push(self.known.len());
            self.known.push((id.into_owned(), name.into_owned()));
        }
        self
    }

    /// Whether `sent` names a custom field that is neither known here nor one of `ids`. A name may look like an id, so its
    /// form tells nothing.
    pub(in super::super) fn needed_for(&self, sent: &RemoteFields, ids: &HashSet<String>) -> bool {
        let is_known = |key: &str| ids.contains(key) || matches!(self.known(key), Ok(Some(_)));
        !sent_members(sent).0.iter().all(|(key, _)| is_known(key))
    }

    /// The ids of the fields.
    pub(in super::super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|(id, _)| id.as_str())
    }

    /// The custom fields to write, by id: those whose value differs from what is held.
    pub(super) fn select(&self, value: &RawJson, pointer: &str) -> Result<Vec<(Text, RawJson)>, Faults> {
        let members = object_of(value, pointer)?;
        let (mut writes, mut faults, mut seen) = (Vec::new(), Faults::new(), HashSet::new());
        let mut listed = false;
        // A field as readings show it, of a type that the contact no longer has, came back with the whole contact.
        let gone =
            |key: &str, raw: &str| self.shows_held && !self.held.contains_key(key) && plain(raw) != raw;
        for (key, raw) in members.0.iter().filter(|(key, raw)| !gone(key, raw.get())) {
            let at = || format!("{pointer}/{}", pointer_token(key));
            match self.resolve(key) {
                Err(unresolved) => faults.add(|| {
                    let detail = self.explained(key, unresolved, &mut listed);
                    FieldFault::member(at(), "unknown_member", detail)
                }),
                Ok(id) if seen.contains(id) => faults.add(|| {
                    let detail = "This custom field is named twice, by id and by name.";
                    FieldFault::member(at(), "conflict", detail)
                }),
                Ok(id) => {
                    let value = plain(raw.get());
                    let held = self.held.get(id);
                    if !held.is_some_and(|now| json::equal(now.as_str(), value)) {
                        seen.insert(id);
                        writes.push((Text::from(id), RawJson::from_validated(Text::from(value))));
                    }
                }
            }
        }
        if faults.is_empty() && writes.len() > MOST {
            faults.push(too_many(pointer, writes.len()));
        }
        if faults.is_empty() { Ok(writes) } else { Err(faults) }
    }

    /// The id that `key` means: an id as it is, or a name that one field alone has. What is not known and looks like an id
    /// is left to Aptly, because fields of a contact type that nobody has yet are shown nowhere.
    fn resolve<'k>(&'k self, key: &'k str) -> Result<&'k str, Unresolved> {
        match self.known(key)? {
            Some(id) => Ok(id),
            None if looks_like_id(key) => Ok(key),
            None => Err(Unresolved::Unknown),
        }
    }

    /// The id that `key` is or names, if a contact showed it.
    fn known<'k>(&'k self, key: &'k str) -> Result<Option<&'k str>, Unresolved> {
        if self.ids.contains(key) {
            return Ok(Some(key));
        }
        match self.named(key) {
            [] => Ok(None),
            [one] => Ok(Some(&self.known[*one].0)),
            _ => Err(Unresolved::Ambiguous),
        }
    }

    /// Which of `known` have the name `key`.
    fn named(&self, key: &str) -> &[usize] {
        self.named.get(&field_key(key)).map_or(&[], Vec::as_slice)
    }

    /// What is wrong with `key`. The fields that there are, possibly thousands, are `listed` once, not with each fault.
    fn explained(&self, key: &str, unresolved: Unresolved, listed: &mut bool) -> String {
        let ids = || enumerated(self.named(key).iter().map(|place| &self.known[*place].0));
        let key = abbreviated(key);
        match unresolved {
            Unresolved::Ambiguous => {
                let ids = ids();
                format!("`{key}` is the name of several custom fields; use one of the ids {ids}.")
            }
            Unresolved::Unknown if std::mem::replace(listed, true) => {
                format!(
                    "`{key}` is no custom field that Aptly shows; the first fault lists those that it shows."
                )
            }
            Unresolved::Unknown if self.known.is_empty() => {
                format!("`{key}` is no custom field that Aptly shows; there are: none yet.")
            }
            Unresolved::Unknown => {
                let known = enumerated(self.known.iter().map(|(id, name)| format!("{id} ({name})")));
                format!("`{key}` is no custom field that Aptly shows; there are: {known}.")
            }
        }
    }
}

/// Why a key means no custom field.
#[derive(Clone, Copy)]
enum Unresolved {
    /// No field that Aptly shows has it as id or name.
    Unknown,
    /// Several have it as name.
    Ambiguous,
}

/// Fails where custom fields are no object, or too many for one write.
pub(super) fn check_shape(value: &RawJson, pointer: &str) -> Result<(), Faults> {
    let count = object_of(value, pointer)?.0.len();
    if count > MOST { Err(vec![too_many(pointer, count)].into()) } else { Ok(()) }
}

fn object_of<'a>(value: &'a RawJson, pointer: &str) -> Result<Members<'a>, Faults> {
    json::members(value.as_str()).ok_or_else(|| {
        let detail = "`customFields` must be an object of values by field id or name.";
        vec![FieldFault::member(pointer, "wrong_type", detail)].into()
    })
}

fn too_many(pointer: &str, count: usize) -> FieldFault {
    let detail = format!("One write may change {MOST} custom fields; it changes {count}.");
    FieldFault::member(pointer, "too_many", detail)
}

fn sent_members(sent: &RemoteFields) -> Members<'_> {
    let fields = sent.0.iter().find(|(name, _)| field_key(name) == "customfields");
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
