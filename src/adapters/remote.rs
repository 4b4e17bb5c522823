//! What a caller may write through `remoteFields`: the declared members, in any of their spellings, and no others.

use super::adapter::{AdapterSpec, RemoteFieldSpec};
use super::settings::pointer_token;
use crate::domain::{ContactDraft, Failure, FieldFault, Place, RawJson, RemoteFields, Result, Text};
use crate::json;

/// How a CRM's own keys relate to ours; the allow-list itself is [`AdapterSpec::remote_fields`].
pub(super) struct RemoteRules {
    /// The CRM's declaration.
    pub spec: &'static AdapterSpec,
    /// Normalised keys that unified fields hold, with the unified member to use instead.
    pub mapped: &'static [(&'static str, &'static str)],
    /// Normalised keys that only the CRM sets.
    pub denied: &'static [&'static str],
    /// Defaults that give way to other members, because the CRM reads them as one.
    pub gives_way: &'static [(&'static str, &'static [&'static str])],
}

/// A member to be written: its declaration, the caller's pointer, its value.
pub(super) struct RemoteWrite<'a> {
    /// Its declaration.
    pub spec: &'static RemoteFieldSpec,
    /// RFC 6901 pointer into the caller's body.
    pub pointer: String,
    /// The value.
    pub value: &'a RawJson,
}

impl RemoteRules {
    /// The members of `sent` that must be written, given what the CRM holds. A member that equals what is held is no
    /// change, whatever the allow-list says, so that a contact read from us can be sent back whole.
    /// Fails with `validation_failed` naming every member that may not be written.
    pub(super) fn select<'a>(
        &self,
        sent: &'a RemoteFields,
        held: Option<&RemoteFields>,
    ) -> Result<Vec<RemoteWrite<'a>>> {
        let (mut writes, mut faults): (Vec<RemoteWrite<'a>>, _) = (Vec::new(), Vec::new());
        for (name, value) in &sent.0 {
            let same = held
                .and_then(|held| held.get(name))
                .is_some_and(|held| json::equal(held.as_str(), value.as_str()));
            if same {
                continue;
            }
            let pointer = format!("/remoteFields/{}", pointer_token(name));
            match self.declared(name) {
                Ok(spec) if writes.iter().any(|write| write.spec.name == spec.name) => {
                    faults.push(FieldFault::member(
                        pointer,
                        "conflict",
                        format!("`{}` is named twice, in two spellings.", spec.name),
                    ));
                }
                Ok(spec) => writes.push(RemoteWrite { spec, pointer, value }),
                Err((code, detail)) => faults.push(FieldFault::member(pointer, code, detail)),
            }
        }
        if faults.is_empty() { Ok(writes) } else { Err(Failure::validation(faults)) }
    }

    fn declared(&self, name: &str) -> std::result::Result<&'static RemoteFieldSpec, (&'static str, String)> {
        let key = normalised(name);
        if let Some((_, member)) = self.mapped.iter().find(|(mapped, _)| *mapped == key) {
            return Err(("conflict", format!("`{name}` is the unified member `{member}`; send it there.")));
        }
        if self.denied.contains(&key.as_str()) {
            return Err(("read_only", format!("`{name}` is set by {} alone.", self.spec.title)));
        }
        let spellings = |spec: &&RemoteFieldSpec| {
            std::iter::once(&spec.name).chain(spec.aliases).any(|spelling| normalised(spelling) == key)
        };
        self.spec.remote_fields.iter().find(spellings).ok_or_else(|| {
            let names: Vec<&str> = self.spec.remote_fields.iter().map(|spec| spec.name).collect();
            (
                "unknown_member",
                format!(
                    "`{name}` cannot be written to {}; remoteFields may hold: {}.",
                    self.spec.title,
                    names.join(", ")
                ),
            )
        })
    }
}

/// The same failure, of the setting that holds the members instead of a caller's body.
pub(super) fn of_setting(mut failure: Failure) -> Failure {
    for fault in &mut failure.faults {
        if let Place::Pointer(pointer) = &mut fault.place {
            *pointer = pointer.replacen("/remoteFields", "/settings/createDefaults", 1);
        }
    }
    Failure::validation(failure.faults)
}

/// A key without case, spaces, underscores and dashes: `First Name`, `first_name` and `firstname` are one.
#[must_use]
pub(super) fn normalised(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

impl RemoteRules {
    /// The members of the setting `createDefaults`.
    /// Fails with `validation_failed` naming every member that could not be written.
    pub(super) fn defaults(&self, setting: Option<&RawJson>) -> Result<RemoteFields> {
        let Some(setting) = setting else { return Ok(RemoteFields::default()) };
        let members = json::members(setting.as_str())
            .ok_or_else(|| Failure::internal("a setting of remoteFields was not checked"))?;
        let member = |(name, raw): (std::borrow::Cow<'_, str>, json::Raw<'_>)| {
            (Text::from(name.as_ref()), RawJson::from_validated(Text::from(raw.get())))
        };
        let defaults = RemoteFields(members.0.into_iter().map(member).collect());
        let faults: Vec<FieldFault> = defaults
            .0
            .iter()
            .filter_map(|(name, _)| {
                let (code, detail) = self.declared(name).err()?;
                let at = format!("/settings/createDefaults/{}", pointer_token(name));
                Some(FieldFault::member(at, code, detail))
            })
            .collect();
        if faults.is_empty() { Ok(defaults) } else { Err(Failure::validation(faults)) }
    }

    /// The draft with what the credential adds to every create; what the caller names, in any spelling, wins.
    pub(super) fn with_defaults(&self, draft: &ContactDraft, defaults: &RemoteFields) -> ContactDraft {
        let sent: Vec<String> = draft.remote_fields.0.iter().map(|(name, _)| normalised(name)).collect();
        let named = |name: &str| sent.contains(&normalised(name));
        let mut draft = draft.clone();
        for (name, value) in &defaults.0 {
            let others = self.gives_way.iter().find(|(default, _)| normalised(default) == normalised(name));
            let gives_way = others.is_some_and(|(_, others)| others.iter().any(|other| named(other)));
            match draft.remote_fields.0.iter_mut().find(|(sent, _)| normalised(sent) == normalised(name)) {
                // Custom fields are many in one member: those that the caller does not name are filled in.
                Some((_, sent)) if normalised(name) == "customfields" => *sent = merged(sent, value),
                Some(_) => {}
                None if gives_way => {}
                None => draft.remote_fields.0.push((name.clone(), value.clone())),
            }
        }
        draft
    }
}

/// The members of `sent`, and those of `defaults` that it does not name; `sent` alone where either is no object.
fn merged(sent: &RawJson, defaults: &RawJson) -> RawJson {
    let (Some(mine), Some(others)) = (json::members(sent.as_str()), json::members(defaults.as_str())) else {
        return sent.clone();
    };
    let missing = others
        .0
        .iter()
        .filter(|(name, _)| !mine.0.iter().any(|(sent, _)| normalised(sent) == normalised(name)));
    let all: std::collections::BTreeMap<&str, json::Raw<'_>> =
        mine.0.iter().chain(missing).map(|(name, raw)| (name.as_ref(), *raw)).collect();
    serde_json::to_string(&all).map_or_else(|_| sent.clone(), |text| RawJson::from_validated(text.into()))
}
