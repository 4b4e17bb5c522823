//! Aptly's custom fields. They are written by id, or by name if only one field has it. Reads show more than the
//! value.

use std::collections::{HashMap, HashSet};

use crate::adapters::settings::pointer_token;
use crate::domain::{
    Contact, Faults, FieldFault, RawJson, RemoteFields, Text, abbreviated, enumerated, field_key,
};
use crate::json::{self, Kind, Members};

/// How many custom fields one write may change.
const MOST: usize = 200;

/// Ids and names of custom fields, as contacts show them: Aptly has no list of definitions.
#[derive(Default)]
pub(in super::super) struct Definitions {
    /// Ids with their names, in the order in which they were seen.
    known: Vec<(String, String)>,
    ids: HashSet<String>,
    /// The indices in `known`, by normalised name.
    named: HashMap<String, Vec<usize>>,
    /// The values that the record to be changed holds, by id.
    held: HashMap<String, RawJson>,
    /// Whether the read of that record shows its custom fields.
    shows_held: bool,
}

impl Definitions {
    /// The custom fields of the contact to be changed.
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

    /// Adds the custom fields that `contact` shows.
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

    /// Whether `sent` has a custom field that is neither known nor one of `ids`. A name may look like an id, so
    /// the format of the key decides nothing.
    pub(in super::super) fn needed_for(&self, sent: &RemoteFields, ids: &HashSet<String>) -> bool {
        let is_known = |key: &str| ids.contains(key) || matches!(self.known(key), Ok(Some(_)));
        !sent_members(sent).0.iter().all(|(key, _)| is_known(key))
    }

    pub(in super::super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|(id, _)| id.as_str())
    }

    /// The custom fields to write, by id: those whose value differs from the held one.
    pub(super) fn select(&self, value: &RawJson, pointer: &str) -> Result<Vec<(Text, RawJson)>, Faults> {
        let members = object_of(value, pointer)?;
        let (mut writes, mut faults, mut seen) = (Vec::new(), Faults::new(), HashSet::new());
        let mut listed = false;
        // A field copied from a read, of a contact type that the contact no longer has.
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
                    let detail = "This custom field is given twice, by id and by name.";
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

    /// The id for `key`: an id, or a name that only one field has. An unknown key that looks like an id is
    /// sent: fields of a contact type without contacts are shown nowhere.
    fn resolve<'k>(&'k self, key: &'k str) -> Result<&'k str, Unresolved> {
        match self.known(key)? {
            Some(id) => Ok(id),
            None if looks_like_id(key) => Ok(key),
            None => Err(Unresolved::Unknown),
        }
    }

    /// The id for `key`, if a contact showed the field.
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

    /// The indices in `known` of the fields with this name.
    fn named(&self, key: &str) -> &[usize] {
        self.named.get(&field_key(key)).map_or(&[], Vec::as_slice)
    }

    /// The error text for `key`. There may be thousands of fields, so only the first fault lists them; `listed`
    /// says whether one has.
    fn explained(&self, key: &str, unresolved: Unresolved, listed: &mut bool) -> String {
        let ids = || enumerated(self.named(key).iter().map(|position| &self.known[*position].0));
        let key = abbreviated(key);
        match unresolved {
            Unresolved::Ambiguous => {
                let ids = ids();
                format!("Several custom fields have the name `{key}`. Use one of the ids {ids}.")
            }
            Unresolved::Unknown if std::mem::replace(listed, true) => {
                format!("Unknown custom field `{key}`. The first error lists the known ones.")
            }
            Unresolved::Unknown if self.known.is_empty() => {
                format!("Unknown custom field `{key}`. Aptly shows no custom fields yet.")
            }
            Unresolved::Unknown => {
                let known = enumerated(self.known.iter().map(|(id, name)| format!("{id} ({name})")));
                format!("Unknown custom field `{key}`. Known: {known}.")
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Unresolved {
    /// No known field has this id or name.
    Unknown,
    /// Several fields have this name.
    Ambiguous,
}

/// Fails if custom fields are not an object, or too many for one write.
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
    let detail = format!("One write can change at most {MOST} custom fields; this one has {count}.");
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

/// The value to write. Of a field copied from a read (`{name, dataType, optional, value}`) its value.
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
