//! The body of a create or update, and what the CRM should hold after it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::change::PipelineChange;
use super::lists::PhoneChange;
use crate::adapters::change::{self, is_word};
use crate::adapters::pipeline::wire::{Email, WireBody, WireEntry};
use crate::domain::{
    ContactPatch, Failure, Patch, PhoneIdentity, PhoneNumber, RawJson, RemoteFields, Result, Text, Warning,
    email_identity,
};
use crate::json::{self, Raw};

impl PipelineChange {
    /// The body, what the CRM should hold afterwards, and the losses.
    pub(in super::super) fn encode(self) -> Result<(String, ContactPatch, Vec<Warning>)> {
        let body =
            self.body().map_err(|_| Failure::internal("a body for the pipeline CRM could not be written"))?;
        let status = self.expected_status.map(|status| ("status", status));
        let remote = self.remote.into_iter().chain(status);
        // If we send no primary entry or several, the CRM may choose one.
        let one_primary = |phones: &[PhoneNumber]| {
            phones.iter().filter(|phone| is_word(phone.kind.as_ref(), &["primary"])).count() == 1
        };
        let phones = self.phones.map(|PhoneChange { written: mut phones, fixed }| {
            if !one_primary(&phones) {
                for phone in &mut phones {
                    phone.kind = None;
                }
            }
            phones.extend(fixed);
            phones
        });
        let expected = ContactPatch {
            first_name: self.first_name,
            last_name: self.last_name,
            account: Patch::Keep,
            addresses: Patch::Keep,
            email_addresses: change::expected(self.emails),
            phone_numbers: change::expected(phones),
            remote_fields: RemoteFields(
                remote.map(|(name, value)| (Text::from_static(name), value)).collect(),
            ),
            read_only: Vec::new(),
        };
        Ok((body, expected, self.losses))
    }

    fn body(&self) -> serde_json::Result<String> {
        let raw = |name: &str| self.remote.get(name).map(|value| Raw::from_checked(value.as_str()));
        let phones = self.phones.as_ref().map(|phones| {
            let key = |number: &str| PhoneIdentity::of(self.region, number).as_str().to_owned();
            let held = held_entries(self.held_phones.as_ref(), key);
            let phones = phones.written.iter();
            phones
                .map(|phone| entry(&phone.number, phone.kind.as_ref(), held.get(&key(&phone.number))))
                .collect()
        });
        let emails = self.emails.as_deref().map(|emails| {
            let held = held_entries(self.held_emails.as_ref(), email_identity);
            match emails {
                [] => Email::None(()),
                [one] if held.is_empty() => Email::One(&one.address),
                several => Email::Several(
                    several
                        .iter()
                        .map(|email| {
                            let kept = held.get(&email_identity(&email.address));
                            entry(&email.address, email.kind.as_ref(), kept)
                        })
                        .collect(),
                ),
            }
        });
        serde_json::to_string(&WireBody {
            first_name: written(&self.first_name),
            last_name: written(&self.last_name),
            phone_number: phones,
            email: emails,
            process: raw("process"),
            status: raw("status"),
            pipeline_stage: raw("pipelineStage"),
            pipeline_id: raw("pipelineId"),
        })
    }
}

/// The CRM's other fields of an entry.
type OtherFields<'a> = BTreeMap<Cow<'a, str>, Raw<'a>>;

/// The CRM's other fields of each entry, by key. If several entries have the same key, the first one counts.
fn held_entries(held: Option<&RawJson>, key: impl Fn(&str) -> String) -> HashMap<String, OtherFields<'_>> {
    let entries = held.and_then(|held| json::elements(held.as_str())).unwrap_or_default();
    let kept = entries.into_iter().rev().filter_map(|entry| {
        let members = json::members(entry.get())?;
        let value = members.get("value").and_then(|raw| json::string(raw.get()));
        let others = members.0.into_iter().filter(|(name, _)| name != "value" && name != "isPrimary");
        // An entry without a readable value is kept under an empty key, which no caller's entry has.
        Some((value.map_or(String::new(), |value| key(&value)), others.collect()))
    });
    kept.collect()
}

fn entry<'a>(value: &'a Text, kind: Option<&Text>, kept: Option<&OtherFields<'a>>) -> WireEntry<'a> {
    let is_primary = is_word(kind, &["primary", "main"]);
    WireEntry { value, is_primary, kept: kept.cloned().unwrap_or_default() }
}

/// A text as it is sent: `None` is unchanged, `Some(None)` is the `null` that clears.
fn written(patch: &Patch<Text>) -> Option<Option<&str>> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(None),
        Patch::Set(text) => Some(Some(text)),
    }
}
