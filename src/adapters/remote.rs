//! Rules of `remoteFields`: callers can write the declared fields, in any of their spellings, and no others.

use std::collections::{HashMap, HashSet};

use super::adapter::{AdapterSpec, RemoteFieldSpec, Verify};
use super::settings::pointer_token;
use crate::domain::{
    Contact, ContactDraft, Failure, FaultLocation, Faults, FieldFault, RawJson, ReadOnlyMember, RemoteFields,
    Result, Text, Timestamp, Warning, WarningCode, abbreviated, enumerated, field_key, is_read_back,
    suggestion,
};
use crate::json;

/// How a CRM's own keys relate to ours. The allow-list is [`AdapterSpec::remote_fields`].
pub(super) struct RemoteRules {
    pub spec: &'static AdapterSpec,
    /// Normalised keys that are written through a unified field, with the name of that field.
    pub reserved_by_unified: &'static [(&'static str, &'static str)],
    /// Normalised keys that only the CRM sets.
    pub read_only: &'static [&'static str],
    /// Defaults that are left out if the caller sends one of these other fields, because the CRM treats them as
    /// one.
    pub yields_to: &'static [(&'static str, &'static [&'static str])],
}

/// Where a body comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyOrigin {
    /// The caller wrote it.
    Caller,
    /// It was made from a contact that was read.
    Read,
    /// It was made from a contact that was read, and the contact was changed since.
    Outdated,
}

/// The origin of a body with these read-only fields.
pub(super) fn origin(read_only: &[ReadOnlyMember], held: &Contact) -> BodyOrigin {
    if !is_read_back(read_only) {
        return BodyOrigin::Caller;
    }
    let updated = read_only.iter().find(|member| member.name == "remoteUpdatedAt");
    let text = updated.and_then(|member| json::string(member.value.as_str()));
    let sent = text.and_then(|text| text.parse::<Timestamp>().ok()).map(Timestamp::as_millisecond);
    // Responses show milliseconds.
    match (sent, held.remote_updated_at.map(Timestamp::as_millisecond)) {
        (Some(sent), Some(now)) if sent != now => BodyOrigin::Outdated,
        _ => BodyOrigin::Read,
    }
}

/// The fields of `remoteFields` that a write sends and ignores.
pub(super) struct Selected<'a> {
    pub writes: Vec<RemoteWrite<'a>>,
    /// Fields that differ from the held ones and cannot be written, in a body that was made from a contact that
    /// was read. The caller did not choose them.
    pub ignored: Vec<&'a str>,
}

/// A field to write.
pub(super) struct RemoteWrite<'a> {
    pub spec: &'static RemoteFieldSpec,
    /// RFC 6901 pointer into the caller's body.
    pub pointer: String,
    pub value: &'a RawJson,
}

impl RemoteRules {
    /// Selects the fields of `sent` that must be written. Fields that equal the held ones are no change, even
    /// if they are not in the allow-list: a contact that was read can be sent back whole. In a `read_back`
    /// body, fields that cannot be written are ignored, as the CRM may have changed them since.
    /// Fails with `validation_failed`, naming every other field that cannot be written.
    pub(super) fn select<'a>(
        &self,
        sent: &'a RemoteFields,
        held: Option<&RemoteFields>,
        read_back: bool,
    ) -> Result<Selected<'a>> {
        let held = held.map(RemoteFields::by_name).unwrap_or_default();
        let (mut writes, mut faults): (Vec<RemoteWrite<'a>>, _) = (Vec::new(), Faults::new());
        let mut ignored = Vec::new();
        for (name, value) in &sent.0 {
            let now = held.get(name.as_str());
            if now.is_some_and(|now| json::equal(now.as_str(), value.as_str())) {
                continue;
            }
            let pointer = || format!("/remoteFields/{}", pointer_token(name));
            match self.declared(name) {
                // So there are never more writes than declarations.
                Ok(spec) if writes.iter().any(|write| write.spec.name == spec.name) => faults.add(|| {
                    let detail = format!("`{}` is given twice, in two spellings.", spec.name);
                    FieldFault::member(pointer(), "conflict", detail)
                }),
                Ok(spec) => writes.push(RemoteWrite { spec, pointer: pointer(), value }),
                // A missing field equals `null`.
                Err(_) if read_back && now.is_none() && value.is_null() => {}
                Err(_) if read_back => ignored.push(name.as_str()),
                Err((code, detail)) => faults.add(|| FieldFault::member(pointer(), code, detail)),
            }
        }
        if faults.is_empty() { Ok(Selected { writes, ignored }) } else { Err(Failure::validation(faults)) }
    }

    /// One warning for all ignored fields.
    pub(super) fn warning(&self, ignored: &[&str]) -> Option<Warning> {
        let message = || {
            let names = enumerated(ignored);
            format!("Ignored because these fields cannot be written to {}: {names}.", self.spec.name)
        };
        (!ignored.is_empty()).then(|| Warning::new(WarningCode::ReadOnly, "/remoteFields", message()))
    }

    fn declared(&self, name: &str) -> std::result::Result<&'static RemoteFieldSpec, (&'static str, String)> {
        let key = field_key(name);
        let name = abbreviated(name);
        if let Some((_, unified)) = self.reserved_by_unified.iter().find(|(reserved, _)| *reserved == key) {
            return Err(("conflict", format!("`{name}` is written through `{unified}`. Send it there.")));
        }
        if self.read_only.contains(&key.as_str()) {
            return Err(("read_only", format!("`{name}` can only be set by {}.", self.spec.name)));
        }
        self.spec.remote_field(&key).ok_or_else(|| {
            let names: Vec<&str> = self.spec.remote_fields.iter().map(|spec| spec.name).collect();
            let hint = match suggestion(&name, names.iter().copied()) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None => format!("Fields that can be written: {}.", names.join(", ")),
            };
            ("unknown_member", format!("`{name}` cannot be written to {}. {hint}", self.spec.name))
        })
    }
}

/// Moves the pointers of a failure from a caller's body to the setting `createDefaults`.
pub(super) fn of_setting(mut failure: Failure) -> Failure {
    for fault in failure.faults.iter_mut() {
        if let FaultLocation::Pointer(pointer) = &mut fault.place {
            *pointer = pointer.replacen("/remoteFields", "/settings/createDefaults", 1);
        }
    }
    Failure::validation(failure.faults)
}

impl RemoteRules {
    /// Reads the setting `createDefaults`. Fails with `validation_failed`, naming every field that cannot be
    /// written.
    pub(super) fn defaults(&self, setting: Option<&RawJson>) -> Result<RemoteFields> {
        let Some(setting) = setting else { return Ok(RemoteFields::default()) };
        let members = json::members(setting.as_str())
            .ok_or_else(|| Failure::internal("a setting of remoteFields was not checked"))?;
        let member = |(name, raw): (std::borrow::Cow<'_, str>, json::Raw<'_>)| {
            (Text::from(name.as_ref()), RawJson::from_validated(Text::from(raw.get())))
        };
        let defaults = RemoteFields(members.0.into_iter().map(member).collect());
        let faults: Faults = defaults
            .0
            .iter()
            .filter_map(|(name, _)| {
                // Faults are made one by one: those over the limit are only counted.
                let (code, detail) = self.declared(name).err()?;
                let at = format!("/settings/createDefaults/{}", pointer_token(name));
                Some(FieldFault::member(at, code, detail))
            })
            .collect();
        if faults.is_empty() { Ok(defaults) } else { Err(Failure::validation(faults)) }
    }

    /// The draft with the credential's defaults. A field that the caller sends, in any spelling, replaces the
    /// default. `null` fields are dropped: in a new record they mean nothing.
    pub(super) fn with_defaults(&self, draft: &ContactDraft, defaults: &RemoteFields) -> ContactDraft {
        let mut draft = draft.clone();
        let fields = &mut draft.remote_fields.0;
        fields.retain(|(_, value)| !value.is_null());
        let sent: HashSet<String> = fields.iter().map(|(name, _)| field_key(name)).collect();
        let named = |name: &str| sent.contains(&field_key(name));
        // The first index of each name.
        let mut positions: HashMap<String, usize> = fields
            .iter()
            .enumerate()
            .rev()
            .map(|(position, (name, _))| (field_key(name), position))
            .collect();
        for (name, value) in &defaults.0 {
            let key = field_key(name);
            let others = self.yields_to.iter().find(|(default, _)| field_key(default) == key);
            let yields = others.is_some_and(|(_, others)| others.iter().any(|other| named(other)));
            match positions.get(&key) {
                // In an object of values, only the keys that the caller left out are filled in.
                Some(position) if self.is_object_of_values(&key) => {
                    fields[*position].1 = merged(&fields[*position].1, value);
                }
                Some(_) => {}
                None if yields => {}
                None => {
                    positions.insert(key, fields.len());
                    fields.push((name.clone(), value.clone()));
                }
            }
        }
        draft
    }

    fn is_object_of_values(&self, key: &str) -> bool {
        self.spec.remote_field(key).is_some_and(|spec| matches!(spec.verify, Verify::Values { .. }))
    }
}

/// The fields of `sent`, and those of `defaults` that it does not have. Only `sent` if either is not an object.
fn merged(sent: &RawJson, defaults: &RawJson) -> RawJson {
    let (Some(mine), Some(others)) = (json::members(sent.as_str()), json::members(defaults.as_str())) else {
        return sent.clone();
    };
    let named: HashSet<String> = mine.0.iter().map(|(name, _)| field_key(name)).collect();
    let missing = others.0.iter().filter(|(name, _)| !named.contains(&field_key(name)));
    let all: std::collections::BTreeMap<&str, json::Raw<'_>> =
        mine.0.iter().chain(missing).map(|(name, raw)| (name.as_ref(), *raw)).collect();
    serde_json::to_string(&all).map_or_else(|_| sent.clone(), |text| RawJson::from_validated(text.into()))
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::adapters::aptly;
    use crate::instructions::linear;

    const RULES: RemoteRules = RemoteRules {
        spec: &aptly::SPEC,
        reserved_by_unified: &[],
        read_only: &[],
        yields_to: &[("typeId", &["title"])],
    };

    /// `n` spellings of `name`.
    fn spelled(name: &str, n: usize) -> RemoteFields {
        let value = RawJson::from_validated("{\"a\":1,\"b\":2}".into());
        let spelling =
            |n: usize| format!("{}{name}", format!("{n:012b}").replace('0', "-").replace('1', "_"));
        RemoteFields((0..n).map(|n| (spelling(n).into(), value.clone())).collect())
    }

    fn custom(n: usize, name: &str) -> RawJson {
        let fields: Vec<String> = (0..n).map(|n| format!("\"{name} {n}\":1")).collect();
        RawJson::from_validated(format!("{{{}}}", fields.join(",")).into())
    }

    #[test]
    fn rules_take_linear_work() {
        linear(
            "adapters::remote::tests::rules_take_linear_work",
            &[
                ("fields that are held", 1000, |n| {
                    let fields = spelled("other", n);
                    let held = RemoteFields(fields.0.iter().rev().cloned().collect());
                    Box::new(move || {
                        assert!(RULES.select(&fields, Some(&held), true).unwrap().writes.is_empty());
                    })
                }),
                ("fields in two spellings", 500, |n| {
                    let fields = spelled("title", n);
                    Box::new(move || assert!(RULES.select(&fields, None, true).is_err()))
                }),
                ("defaults", 500, |n| {
                    let (sent, defaults) = (spelled("title", n), spelled("typeId", n));
                    let draft = ContactDraft { remote_fields: sent, ..ContactDraft::of_name("x".into()) };
                    Box::new(move || drop(black_box(RULES.with_defaults(&draft, &defaults))))
                }),
                ("defaults of custom fields", 1000, |n| {
                    let (sent, defaults) = (custom(n, "sent"), custom(n, "default"));
                    Box::new(move || drop(black_box(merged(&sent, &defaults))))
                }),
            ],
        );
    }
}
