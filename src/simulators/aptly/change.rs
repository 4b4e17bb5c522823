//! The content of a write body, in either of Aptly's two spellings.

use serde_json::{Map, Value, json};

use super::fields::{self, ContactType};
use super::{AptlyOptions, Dialect, Lists};

/// The fields of a body; all other fields stay unchanged.
#[derive(Default)]
pub(super) struct RecordChange {
    /// Plain fields by their stored names.
    plain: Map<String, Value>,
    email: Option<Vec<String>>,
    phone: Option<Vec<Value>>,
    /// Numbers by type; numbers of other types stay unchanged.
    phone_by_type: Vec<(&'static str, String)>,
    kind: KindWish,
    custom: Map<String, Value>,
}

/// A change of the contact's type.
#[derive(Clone, Copy, Default)]
enum KindWish {
    #[default]
    Keep,
    Clear,
    Set(&'static ContactType),
}

/// The stored name of a key, and whether the key has the old, capitalised spelling.
fn stored_name(key: &str) -> Option<(&'static str, bool)> {
    Some(match key {
        "firstname" => ("firstname", false),
        "lastname" => ("lastname", false),
        "title" => ("title", false),
        "company" => ("company", false),
        "email" => ("email", false),
        "contactType" => ("contactType", false),
        "phone" => ("phone", false),
        "typeId" => ("typeId", false),
        "isCompany" => ("isCompany", false),
        "First Name" => ("firstname", true),
        "Last Name" => ("lastname", true),
        "Title" => ("title", true),
        "Company" => ("company", true),
        "Email" => ("email", true),
        "Contact Type" => ("contactType", true),
        "Mobile Phone" => ("mobile", true),
        "Work Phone" => ("work", true),
        "Home Phone" => ("home", true),
        "imageUrl" => ("imageUrl", true),
        "customFields" => ("customFields", true),
        _ => return None,
    })
}

impl RecordChange {
    /// Reads a body. An error is the message of a 400.
    pub(super) fn read(body: &Map<String, Value>, options: &AptlyOptions) -> Result<Self, String> {
        let mut change = Self::default();
        for (key, value) in body {
            let Some((name, old)) = stored_name(key) else { continue };
            let overlooked = !old && options.dialect == Dialect::V2 && !options.native_keys;
            let emptied = value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
            if overlooked || (value.is_null() && !options.null_clears) || (emptied && !options.empty_clears) {
                continue;
            }
            change.take(name, value, old, options.resolves)?;
        }
        Ok(change)
    }

    fn take(&mut self, name: &'static str, value: &Value, old: bool, any_case: bool) -> Result<(), String> {
        match name {
            "email" => self.email = Some(emails(value, old)?),
            "phone" => self.phone = Some(phones(value)?),
            "mobile" => self.phone_by_type.push(("mobile", text(name, value)?)),
            "work" => self.phone_by_type.push(("work", text(name, value)?)),
            "home" => self.phone_by_type.push(("home", text(name, value)?)),
            "contactType" if any_case => self.kind = kind(&text(name, value)?, fields::by_name_in_any_case)?,
            "contactType" => self.kind = kind(&text(name, value)?, fields::by_name)?,
            "typeId" => self.kind = kind(&text(name, value)?, fields::by_id)?,
            "customFields" => {
                self.custom = value.as_object().cloned().ok_or("customFields must be an object")?;
            }
            "isCompany" => {
                let flag = value.as_bool().ok_or("isCompany must be a boolean")?;
                self.plain.insert(name.to_owned(), Value::from(flag));
            }
            "imageUrl" => {
                let address = text(name, value)?;
                self.plain.insert(name.to_owned(), Value::from(image(address)?));
            }
            _ => {
                self.plain.insert(name.to_owned(), Value::from(text(name, value)?));
            }
        }
        Ok(())
    }

    /// The address by which an upsert searches for an existing contact.
    pub(super) fn first_email(&self) -> Option<&str> {
        self.email.as_ref().and_then(|all| all.first()).map(String::as_str)
    }

    /// Applies the change to a record. An error is the message of a 400.
    pub(super) fn apply(
        &self,
        record: &mut Map<String, Value>,
        options: &AptlyOptions,
    ) -> Result<(), String> {
        let lists = options.lists;
        let kind = match self.kind {
            KindWish::Keep => None,
            KindWish::Clear => Some(Value::Null),
            KindWish::Set(kind) => Some(Value::from(kind.name)),
        };
        record.extend(kind.map(|kind| ("contactType".to_owned(), kind)));
        let known = fields::of(record).map_or(&[][..], |kind| kind.fields);
        if let Some(id) = self.custom.keys().find(|id| !known.iter().any(|field| field.id == id.as_str())) {
            return Err(format!("Unknown custom field: {id}"));
        }
        record.extend(self.plain.clone());
        if self.plain.contains_key("firstname") || self.plain.contains_key("lastname") {
            // From now on the full name is derived from the two names.
            record.shift_remove("fullname");
        }
        if let Some(emails) = &self.email {
            let emails = emails.iter().map(|email| json!(email)).collect();
            put_list(record, "email", emails, lists);
        }
        if let Some(phones) = &self.phone {
            put_list(record, "phone", phones.clone(), lists);
        }
        for (kind, number) in &self.phone_by_type {
            put_number(record, kind, number);
        }
        let stored = record.entry("customFields").or_insert_with(|| json!({}));
        if let Value::Object(stored) = stored {
            stored.extend(self.custom.clone());
        }
        if options.resolves {
            fields::resolve(record);
        }
        Ok(())
    }
}

fn put_list(record: &mut Map<String, Value>, key: &str, wanted: Vec<Value>, lists: Lists) {
    let mut entries = match (lists, record.get(key).and_then(Value::as_array)) {
        (Lists::Merge, Some(stored)) if !wanted.is_empty() => stored.clone(),
        _ => Vec::new(),
    };
    for entry in wanted {
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    record.insert(key.to_owned(), Value::Array(entries));
}

/// The number replaces all numbers of its type; an empty number removes them.
fn put_number(record: &mut Map<String, Value>, kind: &str, number: &str) {
    let stored = record.get("phone").and_then(Value::as_array).cloned().unwrap_or_default();
    let of_kind = |entry: &Value| entry.get("type").and_then(Value::as_str) == Some(kind);
    let index = stored.iter().position(of_kind).unwrap_or(stored.len());
    let mut entries: Vec<_> = stored.iter().filter(|entry| !of_kind(entry)).cloned().collect();
    if !number.is_empty() {
        entries.insert(index.min(entries.len()), json!({ "number": number, "type": kind }));
    }
    record.insert("phone".to_owned(), Value::Array(entries));
}

fn text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Null => Ok(String::new()),
        _ => Err(format!("{name} must be a string")),
    }
}

/// The old spelling takes one address, the native spelling also a list.
fn emails(value: &Value, old: bool) -> Result<Vec<String>, String> {
    let all = match value {
        Value::Array(entries) if !old => {
            entries.iter().map(|entry| text("email", entry)).collect::<Result<_, _>>()?
        }
        other => vec![text("Email", other)?],
    };
    Ok(all.into_iter().filter(|email| !email.is_empty()).collect())
}

fn phones(value: &Value) -> Result<Vec<Value>, String> {
    let entries = match value {
        Value::Null => return Ok(Vec::new()),
        other => other.as_array().ok_or("phone must be an array of { number, type }")?,
    };
    entries.iter().map(phone).collect()
}

fn phone(entry: &Value) -> Result<Value, String> {
    let number = entry.get("number").and_then(Value::as_str).ok_or("phone entries need a number")?;
    let kind = entry.get("type").and_then(Value::as_str).unwrap_or("mobile");
    if !matches!(kind, "mobile" | "work" | "home") {
        return Err(format!("Invalid phone type: {kind}"));
    }
    Ok(json!({ "number": number, "type": kind }))
}

fn kind(word: &str, find: fn(&str) -> Option<&'static ContactType>) -> Result<KindWish, String> {
    if word.is_empty() {
        return Ok(KindWish::Clear);
    }
    find(word).map(KindWish::Set).ok_or_else(|| format!("Contact Type does not exist: {word}"))
}

fn image(address: String) -> Result<String, String> {
    let refusal = "imageUrl must be an absolute URL ending in .jpg, .jpeg, or .png";
    if address.is_empty() {
        return Ok(address);
    }
    let lower = address.to_ascii_lowercase();
    let absolute = lower.starts_with("https://") || lower.starts_with("http://");
    let picture = [".jpg", ".jpeg", ".png"].iter().any(|end| lower.ends_with(end));
    if absolute && picture { Ok(address) } else { Err(refusal.to_owned()) }
}
