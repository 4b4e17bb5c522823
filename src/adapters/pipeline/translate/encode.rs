//! Our drafts and changes to the pipeline CRM's bodies, with what gets lost on the way.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::adapters::change::{self, is_word, same_email};
use crate::adapters::phone::{Region, digits};
use crate::adapters::pipeline::SPEC;
use crate::adapters::pipeline::wire::{Body, Email, Entry};
use crate::adapters::remote::RemoteRules;
use crate::domain::{
    Contact, ContactDraft, ContactPatch, EmailAddress, Failure, FieldFault, Patch, PhoneNumber, RawJson,
    RemoteFields, RemoteId, Result, Text, Warning, WarningCode,
};
use crate::json::{self, Kind, Members};

pub(in super::super) const RULES: RemoteRules = RemoteRules {
    spec: &SPEC,
    mapped: &[
        ("firstname", "firstName"),
        ("lastname", "lastName"),
        ("phonenumber", "phoneNumbers"),
        ("secondaryphonenumber", "phoneNumbers"),
        ("email", "emailAddresses"),
        ("lastmessagetime", "lastActivityAt"),
    ],
    denied: &[
        "id",
        "uuid",
        "companyid",
        "organizationid",
        "userid",
        "createdby",
        "createdat",
        "updatedat",
        "assignees",
        "v",
    ],
    gives_way: &[
        ("status", &["pipelineStage", "pipelineId"]),
        ("pipelineStage", &["status", "pipelineId"]),
        ("pipelineId", &["pipelineStage"]),
    ],
};

/// What is to be written, in the CRM's terms.
#[derive(Default)]
pub(in super::super) struct Change {
    first_name: Patch<Text>,
    last_name: Patch<Text>,
    emails: Option<Vec<EmailAddress>>,
    phones: Option<Vec<PhoneNumber>>,
    remote: BTreeMap<&'static str, RawJson>,
    losses: Vec<Warning>,
    /// Entries as they are held, for what the CRM keeps on them.
    held_phones: Option<RawJson>,
    held_emails: Option<RawJson>,
    region: Region,
}

impl Change {
    /// A draft is the change of a record that holds nothing.
    pub(in super::super) fn of_draft(draft: &ContactDraft, region: Region) -> Result<Self> {
        Self::of_patch(&Contact::bare(RemoteId::from("")), &change::of_draft(draft), region)
    }

    /// What `patch` changes of `held`; what is equal already is not sent.
    pub(in super::super) fn of_patch(held: &Contact, patch: &ContactPatch, region: Region) -> Result<Self> {
        let ContactPatch {
            first_name,
            last_name,
            account: _,   // No home; the gateway warns by declaration.
            addresses: _, // No home; the gateway warns by declaration.
            email_addresses,
            phone_numbers,
            remote_fields,
            read_only: _, // Ignored; the gateway warns where they differ.
        } = patch;
        let mut changed = Self {
            first_name: change::text(first_name, held.first_name.as_ref()),
            last_name: change::text(last_name, held.last_name.as_ref()),
            held_phones: held.remote_fields.get("phoneNumber").cloned(),
            held_emails: held.remote_fields.get("email").cloned(),
            region,
            ..Self::default()
        };
        changed.emails(email_addresses, held);
        changed.phones(phone_numbers, held, region)?;
        changed.remote_fields(remote_fields, held)?;
        Ok(changed)
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        !self.first_name.touches()
            && !self.last_name.touches()
            && self.emails.is_none()
            && self.phones.is_none()
            && self.remote.is_empty()
    }

    /// The CRM lower-cases addresses, holds each once and knows one primary.
    fn emails(&mut self, patch: &Patch<Vec<EmailAddress>>, held: &Contact) {
        let Some(sent) = change::list(patch) else { return };
        if sent == held.email_addresses {
            return; // As it was read, whatever we would make of it.
        }
        let primary =
            sent.iter().position(|email| is_word(email.kind.as_ref(), &["main", "primary"])).unwrap_or(0);
        let mut emails: Vec<EmailAddress> = Vec::new();
        for (index, email) in sent.iter().enumerate() {
            if emails.iter().any(|known| same_email(known, email)) {
                self.lose(
                    format!("/emailAddresses/{index}"),
                    "The same address stands before it; the CRM holds it once.".into(),
                );
                continue;
            }
            // The primary one may be the second spelling of an address that stands before it.
            let kind = if same_email(email, &sent[primary]) { "main" } else { "secondary" };
            self.lose_kind(email.kind.as_ref(), kind, format!("/emailAddresses/{index}/emailAddressType"));
            emails.push(EmailAddress { address: email.address.clone(), kind: Some(Text::from_static(kind)) });
        }
        emails.sort_by_key(|email| email.kind.as_deref() != Some("main"));
        let same = emails.len() == held.email_addresses.len()
            && emails.iter().zip(&held.email_addresses).all(|(sent, held)| same_email(sent, held));
        if !same {
            self.emails = Some(emails);
        }
    }

    /// Exactly one primary: the first called so, else the first mobile, else the first.
    fn phones(&mut self, patch: &Patch<Vec<PhoneNumber>>, held: &Contact, region: Region) -> Result<()> {
        let Some(sent) = change::list(patch) else { return Ok(()) };
        if sent == held.phone_numbers && !held.remote_id.as_str().is_empty() {
            return Ok(()); // As it was read, whatever we would make of it.
        }
        check_phones(sent, region)?;
        let called = |words: &[&str]| sent.iter().position(|phone| is_word(phone.kind.as_ref(), words));
        let primary =
            called(&["primary", "main", "default"]).or_else(|| called(&["mobile", "cell"])).unwrap_or(0);
        let mut phones: Vec<PhoneNumber> = Vec::new();
        for (index, phone) in sent.iter().enumerate() {
            if phones.iter().any(|known| region.comparable(&known.number) == region.comparable(&phone.number))
            {
                self.lose(
                    format!("/phoneNumbers/{index}"),
                    "The same number stands before it; the CRM holds it once.".into(),
                );
                continue;
            }
            let form = region.e164(&phone.number);
            if form.is_none() {
                let message = "The number has no E.164 form (a country code or the credential's defaultRegion may be missing); it is passed on as it came.";
                self.losses.push(Warning::new(
                    WarningCode::PhoneNotParsed,
                    format!("/phoneNumbers/{index}/phoneNumber"),
                    message,
                ));
            }
            let is_primary = region.comparable(&phone.number) == region.comparable(&sent[primary].number);
            let kind = if is_primary { "primary" } else { "secondary" };
            self.lose_kind(phone.kind.as_ref(), kind, format!("/phoneNumbers/{index}/phoneNumberType"));
            let number = form.unwrap_or_else(|| phone.number.clone());
            phones.push(PhoneNumber { number, kind: Some(Text::from_static(kind)) });
        }
        let same = phones.len() == held.phone_numbers.len()
            && phones.iter().zip(&held.phone_numbers).all(|(sent, held)| {
                region.comparable(&sent.number) == region.comparable(&held.number) && sent.kind == held.kind
            });
        if !same {
            self.phones = Some(phones);
        }
        Ok(())
    }

    fn remote_fields(&mut self, sent: &RemoteFields, held: &Contact) -> Result<()> {
        let mut faults = Vec::new();
        let update = !held.remote_id.as_str().is_empty();
        for write in RULES.select(sent, Some(&held.remote_fields))? {
            let fits = match (write.spec.name, json::kind(write.value.as_str())) {
                ("process", _) if update => Err("`process` can be written on create alone.".to_owned()),
                (_, Kind::String) | ("pipelineStage", Kind::Null) => Ok(()),
                (name, _) => Err(format!("`{name}` must be a string.")),
            };
            match fits {
                Ok(()) => drop(self.remote.insert(write.spec.name, write.value.clone())),
                Err(detail) => faults.push(FieldFault::member(write.pointer, "malformed", detail)),
            }
        }
        // What the CRM does with a stage and a status that disagree is not known.
        if self.remote.contains_key("status") && self.remote.contains_key("pipelineStage") {
            let detail = "Send `status` or `pipelineStage`, not both: the CRM resolves them together, and which one wins is not known.";
            faults.push(FieldFault::member("/remoteFields/pipelineStage", "conflict", detail));
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
    }

    fn lose(&mut self, pointer: String, message: Text) {
        self.losses.push(Warning::new(WarningCode::NotStored, pointer, message));
    }

    fn lose_kind(&mut self, sent: Option<&Text>, stored: &str, pointer: String) {
        if sent.is_some_and(|sent| !sent.trim().eq_ignore_ascii_case(stored)) {
            let message =
                format!("The CRM knows only which one is primary; this one reads back as `{stored}`.");
            self.lose(pointer, message.into());
        }
    }

    /// The body, what the CRM should hold afterwards, and what is lost.
    pub(in super::super) fn encode(self) -> Result<(String, ContactPatch, Vec<Warning>)> {
        let body =
            self.body().map_err(|_| Failure::internal("a body for the pipeline CRM could not be written"))?;
        let expected = ContactPatch {
            first_name: self.first_name,
            last_name: self.last_name,
            account: Patch::Keep,
            addresses: Patch::Keep,
            email_addresses: change::expected(self.emails),
            phone_numbers: change::expected(self.phones),
            remote_fields: RemoteFields(
                self.remote.into_iter().map(|(name, value)| (Text::from_static(name), value)).collect(),
            ),
            read_only: Vec::new(),
        };
        Ok((body, expected, self.losses))
    }

    fn body(&self) -> serde_json::Result<String> {
        let raw = |name: &str| {
            self.remote.get(name).map(|value| serde_json::from_str::<&RawValue>(value.as_str())).transpose()
        };
        let (held_phones, held_emails) =
            (held_entries(self.held_phones.as_ref()), held_entries(self.held_emails.as_ref()));
        let phone = |phone| {
            entry(phone, &held_phones, |one, other| {
                self.region.comparable(one) == self.region.comparable(other)
            })
        };
        let phones = self
            .phones
            .as_ref()
            .map(|phones| phones.iter().map(|PhoneNumber { number, kind }| phone((number, kind))).collect());
        let email = |email| entry(email, &held_emails, str::eq_ignore_ascii_case);
        let emails = self.emails.as_deref().map(|emails| match emails {
            [] => Email::None(()),
            [one] if held_emails.is_empty() => Email::One(&one.address),
            several => Email::Several(
                several.iter().map(|EmailAddress { address, kind }| email((address, kind))).collect(),
            ),
        });
        serde_json::to_string(&Body {
            first_name: written(&self.first_name),
            last_name: written(&self.last_name),
            phone_number: phones,
            email: emails,
            process: raw("process")?,
            status: raw("status")?,
            pipeline_stage: raw("pipelineStage")?,
            pipeline_id: raw("pipelineId")?,
        })
    }
}

/// Provider rules of phones, entry by entry.
fn check_phones(phones: &[PhoneNumber], region: Region) -> Result<()> {
    if phones.is_empty() {
        let detail = "The pipeline CRM knows people by their phone; at least one number must remain.";
        return Err(Failure::validation(vec![FieldFault::member("/phoneNumbers", "required", detail)]));
    }
    let fits = |phone: &PhoneNumber| {
        region.e164(&phone.number).is_some() || (7..=15).contains(&digits(&phone.number).len())
    };
    let fault = |index: usize| {
        let detail = "The pipeline CRM takes numbers of 7 to 15 digits.";
        FieldFault::member(format!("/phoneNumbers/{index}/phoneNumber"), "malformed", detail)
    };
    let faults: Vec<FieldFault> =
        phones.iter().enumerate().filter(|(_, phone)| !fits(phone)).map(|(index, _)| fault(index)).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::validation(faults)) }
}

fn held_entries(held: Option<&RawJson>) -> Vec<Members<'_>> {
    let entries = held.and_then(|held| json::elements(held.as_str())).unwrap_or_default();
    entries.into_iter().filter_map(|entry| json::members(entry.get())).collect()
}

fn entry<'a>(
    (value, kind): (&'a Text, &Option<Text>),
    held: &'a [Members<'a>],
    same: impl Fn(&str, &str) -> bool,
) -> Entry<'a> {
    let of_value = |members: &&Members<'_>| {
        members.get("value").and_then(|raw| json::string(raw.get())).is_some_and(|held| same(&held, value))
    };
    let kept = held.iter().find(of_value).map(|members| {
        let others = members.0.iter().filter(|(name, _)| name != "value" && name != "isPrimary");
        others.map(|(name, raw)| (name.as_ref(), *raw)).collect()
    });
    let is_primary = is_word(kind.as_ref(), &["primary", "main"]);
    Entry { value, is_primary, kept: kept.unwrap_or_default() }
}

/// A text as it is sent: `None` untouched, `Some(None)` the `null` that clears.
fn written(patch: &Patch<Text>) -> Option<Option<&str>> {
    match patch {
        Patch::Keep => None,
        Patch::Clear => Some(None),
        Patch::Set(text) => Some(Some(text)),
    }
}
