//! The names of the fields that a request sets.

use crate::adapters::ADAPTERS;
use crate::domain::{ContactDraft, ContactPatch, Field, RawJson, RemoteFields, Text};
use crate::json;

pub(in crate::gateway) fn of_draft(draft: &ContactDraft) -> Vec<Text> {
    members(|field| draft.gives(field), &draft.remote_fields)
}

/// The fields of a change to a contact.
pub(in crate::gateway) fn of_patch(patch: &ContactPatch) -> Vec<Text> {
    members(|field| patch.touches(field), &patch.remote_fields)
}

pub(in crate::gateway) fn of_settings(settings: &RawJson) -> Vec<Text> {
    let declared = || ADAPTERS.iter().flat_map(|spec| spec.settings).map(|setting| setting.name);
    let members = json::members(settings.as_str()).map(|members| members.0).unwrap_or_default();
    let known = |name: &str| declared().find(|declared| *declared == name);
    distinct(members.iter().map(|(name, _)| nested("settings", known(name))))
}

fn members(is_given: impl Fn(Field) -> bool, remote: &RemoteFields) -> Vec<Text> {
    let unified = Field::ALL.into_iter().filter(|field| is_given(*field));
    let unified = unified.map(|field| Text::from_static(field.name()));
    unified.chain(distinct(remote.0.iter().map(|(name, _)| nested("remoteFields", declared(name))))).collect()
}

/// The declared spelling of a remote field.
fn declared(name: &str) -> Option<&'static str> {
    let mut all = ADAPTERS.iter().flat_map(|spec| spec.remote_fields);
    all.find(|field| field.name == name || field.aliases.contains(&name)).map(|field| field.name)
}

/// An undeclared name may be any text of the caller, so only its parent field is recorded.
fn nested(parent: &'static str, name: Option<&'static str>) -> Text {
    name.map_or(Text::from_static(parent), |name| format!("{parent}.{name}").into())
}

fn distinct(names: impl Iterator<Item = Text>) -> Vec<Text> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
