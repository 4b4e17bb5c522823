//! The names of the fields that a request sets. Each struct is destructured completely, so a new field that is missing here
//! does not compile.

use crate::adapters::ADAPTERS;
use crate::domain::{ContactDraft, ContactPatch, Field, RawJson, RemoteFields, Text};
use crate::json;

pub(in crate::gateway) fn of_draft(draft: &ContactDraft) -> Vec<Text> {
    let ContactDraft {
        first_name,
        last_name: _,
        account,
        addresses,
        email_addresses,
        phone_numbers,
        remote_fields,
        read_only: _,
    } = draft;
    let given = [
        (Field::FirstName, first_name.is_some()),
        (Field::LastName, true),
        (Field::Account, account.is_some()),
        (Field::Addresses, !addresses.is_empty()),
        (Field::EmailAddresses, !email_addresses.is_empty()),
        (Field::PhoneNumbers, !phone_numbers.is_empty()),
    ];
    members(&given, remote_fields)
}

/// The fields of a change to a contact.
pub(in crate::gateway) fn of_patch(patch: &ContactPatch) -> Vec<Text> {
    let ContactPatch {
        first_name,
        last_name,
        account,
        addresses,
        email_addresses,
        phone_numbers,
        remote_fields,
        read_only: _,
    } = patch;
    let given = [
        (Field::FirstName, first_name.touches()),
        (Field::LastName, last_name.touches()),
        (Field::Account, account.touches()),
        (Field::Addresses, addresses.touches()),
        (Field::EmailAddresses, email_addresses.touches()),
        (Field::PhoneNumbers, phone_numbers.touches()),
    ];
    members(&given, remote_fields)
}

pub(in crate::gateway) fn of_settings(settings: &RawJson) -> Vec<Text> {
    let declared = || ADAPTERS.iter().flat_map(|spec| spec.settings).map(|setting| setting.name);
    let members = json::members(settings.as_str()).map(|members| members.0).unwrap_or_default();
    let known = |name: &str| declared().find(|declared| *declared == name);
    distinct(members.iter().map(|(name, _)| nested("settings", known(name))))
}

fn members(given: &[(Field, bool)], remote: &RemoteFields) -> Vec<Text> {
    let unified = given.iter().filter(|(_, given)| *given).map(|(field, _)| Text::from_static(field.name()));
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
